"""Write the HTML report."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(comparison: str, report: str, config: dict[str, Any]) -> None:
    """Write one self-contained page; `comparison` orders this job after the tables."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.report import build_report

    build_report(Path(config["results"]), StudyConfig(**config), Path(report).parent)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
