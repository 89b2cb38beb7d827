"""Measure what the searched networks cost; needs the machine for itself."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(
    architectures: list[str],
    costs: list[str],
    csv: str,
    markdown: str,
    latex: str,
    config: dict[str, Any],
) -> None:
    """Write the complexity table as csv, markdown and LaTeX; one thread per pass, whatever the job holds."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.complexity import write_complexity

    study = StudyConfig(**config)
    write_complexity(Path(study.results), Path(csv).with_suffix(""), study, study.device, study.threads)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
