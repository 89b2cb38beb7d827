"""Build the comparison of all methods."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(
    scores: list[str], comparison: str, markdown: str, paired: str, config: dict[str, Any], digest: str
) -> None:
    """Write comparison.csv, comparison.md and tables/ (`paired` among them) from what is under the results folder."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.tables import write_comparison

    write_comparison(Path(config["results"]), StudyConfig(**config), Path(comparison), Path(markdown))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
