"""Compare variants of a method with the method itself."""

from typing import Any

from fernas.workflow.job import run_rule


def main(config: dict[str, Any]) -> None:
    """Write the ablation table as csv, markdown and LaTeX."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.ablation import write_ablation
    from fernas.study import Study

    study = Study.of(StudyConfig(**config))
    write_ablation(study.results, study)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
