"""Train a model on all subjects of a task, for use."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fernas.workflow.job import RuleJob, run_rule


def main(
    architecture: str,
    scores: list[str],
    faces: str,
    model: str,
    method: dict[str, Any],
    image: dict[str, Any],
    wildcards: SimpleNamespace,
    job: RuleJob,
) -> None:
    """Write the model, its architecture, what an image goes through, and a card with cross-validated accuracy."""
    from fernas.core.config import FacesConfig, MethodConfig, validate_section
    from fernas.deploy.final import Evidence, ImageSource, train_final
    from fernas.learn.job import JobInputs

    section = validate_section(MethodConfig, method, "method")
    evidence = Evidence(wildcards.task, wildcards.protocol, wildcards.method, tuple(Path(path) for path in scores))
    inputs = JobInputs(out_dir=Path(model).parent, **job.settings)
    source = ImageSource(image["view"], FacesConfig(**image["faces"]), Path(faces))
    train_final(inputs, section, Path(architecture), evidence, source)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
