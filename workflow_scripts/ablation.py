"""Compare variants of a method with the method itself."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(scores: list[str], csv: str, markdown: str, latex: str, config: dict[str, Any]) -> None:
    """Write the ablation table as csv, markdown and LaTeX."""
    from fernas.core.config import StudyConfig
    from fernas.reporting.ablation import write_ablation

    study = StudyConfig(**config)
    write_ablation(Path(study.results), Path(csv).with_suffix(""), study)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
