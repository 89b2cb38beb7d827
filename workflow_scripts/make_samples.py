"""List the samples of a task."""

from typing import Any

from fernas.workflow.job import run_rule


def main(manifest: str, samples: str, task: dict[str, Any]) -> None:
    """Write samples.parquet, from which inputs, folds and the audit of the folds are made."""
    from fernas.core.config import TaskConfig
    from fernas.core.io import read_parquet
    from fernas.datasets.tasks import task_samples, write_samples

    write_samples(samples, task_samples(read_parquet(manifest), TaskConfig(**task)))


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
