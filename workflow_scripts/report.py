"""Write the HTML report."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(report: str, config: dict[str, Any]) -> None:
    """Write one self-contained page from the tables that `compare` wrote."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.report import build_report
    from fernas.study import Study

    study = Study.of(StudyConfig(**config))
    build_report(study.results, study, Path(report).parent)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
