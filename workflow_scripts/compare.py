"""Build the comparison of all methods."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(
    scores: list[str],
    records: list[str],
    comparison: str,
    markdown: str,
    paired: str,
    config: dict[str, Any],
) -> None:
    """Write comparison.csv, comparison.md and tables/ (`paired` among them) from what is under the results folder."""
    from fernas.core.config import StudyConfig
    from fernas.core.io import read_json
    from fernas.reporting.tables import write_comparison

    for path in (*scores, *records):  # tables pass over what is not there yet; what is declared must be whole
        if Path(path).stat().st_size:
            read_json(path)
    write_comparison(Path(config["results"]), StudyConfig(**config), Path(comparison), Path(markdown))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
