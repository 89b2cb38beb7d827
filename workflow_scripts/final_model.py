"""Train a model on all subjects of a task, for use."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import combine_digests, input_digests, run_rule


def main(
    inputs: str,
    table: str,
    folds: str,
    audit: str,
    architecture: str,
    scores: list[str],
    model: str,
    description: str,
    preprocessing: str,
    card: str,
    names: dict[str, str],
    method: dict[str, Any],
    before: dict[str, Any],
    run: dict[str, Any],
    seed: int,
    digest: str,
    threads: int = 1,
) -> None:
    """Write the model, its architecture, what an image goes through, and a card with cross-validated accuracy."""
    from fernas.core.config import MethodConfig, validate_section
    from fernas.core.digest import run_key
    from fernas.deploy.final import Evidence, train_final
    from fernas.learn.job import JobInputs

    digests = input_digests({"inputs": inputs, "table": table, "folds": folds, "architecture": architecture})
    digests["scores"] = combine_digests(scores)
    job = JobInputs(
        inputs=Path(inputs),
        table=Path(table),
        folds=Path(folds),
        out_dir=Path(model).parent,
        work_dir=Path(run["work"]),
        run_key=run_key("final_model", names, {"method": method, "seed": seed}, digests, digest),
        seed=seed,
        threads=threads,
        device=run["device"],
        every_s=run["every_s"],
    )
    section = validate_section(MethodConfig, method, "method")
    evidence = Evidence(names["task"], names["protocol"], names["method"], tuple(Path(path) for path in scores))
    train_final(job, section, Path(architecture), evidence, before)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
