"""Combine the stored predictions of an ensemble's members."""

from pathlib import Path

from fernas.workflow.job import run_rule


def main(predictions: list[str], statuses: list[str], out: str) -> None:
    """Write one predictions file out of several; empty when a member failed."""
    from fernas.training.combine import run_combine

    run_combine([Path(path) for path in predictions], [Path(path).parent for path in statuses], Path(out))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
