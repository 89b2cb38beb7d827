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
    from fernas.core.digest import run_key
    from fernas.deploy.final import train_final

    digests = input_digests({"inputs": inputs, "table": table, "folds": folds, "architecture": architecture})
    digests["scores"] = combine_digests(scores)
    train_final(
        inputs_npy=Path(inputs),
        inputs_table=Path(table),
        folds_train_json=Path(folds),
        architecture=Path(architecture),
        scores=[Path(path) for path in scores],
        method=method,
        before=before,
        names=names,
        seed=seed,
        out_dir=Path(model).parent,
        work_dir=Path(run["work"]),
        run_key=run_key("final_model", names, {"method": method, "seed": seed}, digests, digest),
        threads=threads,
        device=run["device"],
        every_s=run["every_s"],
    )


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
