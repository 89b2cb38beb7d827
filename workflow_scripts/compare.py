"""Compare all methods."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(scores: list[str], records: list[str], config: dict[str, Any]) -> None:
    """Compute every table of the study from what is under the results folder, and write them."""
    from fernas.core.config import StudyConfig
    from fernas.core.io import read_json
    from fernas.reporting.compare import compare_study
    from fernas.study import Study

    for path in (*scores, *records):  # tables pass over what is not there yet; what is declared must be whole
        if Path(path).stat().st_size:
            read_json(path)
    study = Study.of(StudyConfig(**config))
    compare_study(study.results, study)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
