"""Train a model on all subjects of a task, for use."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fernas.workflow.job import RuleJob, run_rule


def main(
    architecture: str,
    scores: list[str],
    model: str,
    method: dict[str, Any],
    image: dict[str, Any],
    wildcards: SimpleNamespace,
    job: RuleJob,
) -> None:
    """Write the model, its architecture, what an image goes through, and a card with cross-validated accuracy."""
    from fernas.core.config import MethodConfig, validate_section
    from fernas.deploy.final import Evidence, train_final
    from fernas.learn.job import JobInputs

    section = validate_section(MethodConfig, method, "method")
    evidence = Evidence(wildcards.task, wildcards.protocol, wildcards.method, tuple(Path(path) for path in scores))
    inputs = JobInputs(out_dir=Path(model).parent, **job.settings)
    train_final(inputs, section, Path(architecture), evidence, image)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
