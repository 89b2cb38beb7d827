"""Train the found networks of one shard of folds from scratch."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import combine_digests, input_digests, run_rule


def main(
    inputs: str,
    table: str,
    folds: str,
    audit: str,
    architectures: list[str],
    source: list[str],
    source_folds: list[str],
    models: str,
    history: str,
    cost: str,
    status: str,
    names: dict[str, str],
    method: dict[str, Any],
    shards: int,
    run: dict[str, Any],
    seed: int,
    digest: str,
    threads: int = 1,
) -> None:
    """Write the models of the folds k with k mod shards = shard; `audit` must have passed."""
    from fernas.core.digest import run_key
    from fernas.training.run import run_training

    digests = input_digests({"inputs": inputs, "table": table, "folds": folds})
    digests["architectures"] = combine_digests(architectures)
    if source:
        digests["source"] = combine_digests([*source, *source_folds])
    run_training(
        inputs_npy=Path(inputs),
        inputs_table=Path(table),
        folds_train_json=Path(folds),
        architectures=[Path(path) for path in architectures],
        method=method,
        scope=names["scope"],
        seed=seed,
        shard=int(names["shard"]),
        shards=shards,
        out_dir=Path(models).parent,
        work_dir=Path(run["work"]),
        run_key=run_key("train", names, {"method": method, "seed": seed, "shards": shards}, digests, digest),
        threads=threads,
        device=run["device"],
        every_s=run["every_s"],
        source=(Path(source[0]), Path(source_folds[0])) if source else None,
    )


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
