"""Check the folds: no subject, no sequence and no image in both splits."""

from typing import Any

from fernas.core.jobs import run_rule


def main(
    manifest: str,
    dataset_audit: str,
    table: str,
    train: str,
    test: str,
    audit: str,
    task: dict[str, Any],
    duplicates: str,
) -> None:
    """Write the audit of the folds; a ContractError names what leaks."""
    from fernas.core.config import TaskConfig
    from fernas.core.io import read_json, read_parquet, write_json
    from fernas.datasets.tasks import task_samples
    from fernas.protocols.audit import audit_folds

    samples = task_samples(read_parquet(manifest), TaskConfig(**task))
    write_json(
        audit,
        audit_folds(samples, read_json(train), read_json(test), read_json(dataset_audit)["duplicates"], duplicates),
    )


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
