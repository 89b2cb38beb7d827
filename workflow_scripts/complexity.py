"""Measure what the searched networks cost; needs the machine for itself."""

from typing import Any

from fernas.workflow.job import run_rule


def main(config: dict[str, Any]) -> None:
    """Write the complexity table as csv, markdown and LaTeX; one thread per pass, whatever the job holds."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.complexity import write_complexity
    from fernas.study import Study

    study = Study.of(StudyConfig(**config))
    write_complexity(study.results, study, study.config.device, study.config.threads)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
