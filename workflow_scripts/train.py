"""Train the searched networks of one shard of folds from scratch."""

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
    from fernas.core.config import MethodConfig, validate_section
    from fernas.core.digest import run_key
    from fernas.learn.job import JobInputs
    from fernas.training.run import Searches, TrainSpec, read_origin, run_training

    digests = input_digests({"inputs": inputs, "table": table, "folds": folds})
    digests["architectures"] = combine_digests(architectures)
    if source:
        digests["source"] = combine_digests([*source, *source_folds])
    section = validate_section(MethodConfig, method, "method")
    origin = read_origin(section, Path(source[0]), Path(source_folds[0])) if source else None
    searches = Searches(tuple(Path(path) for path in architectures), names["scope"])
    job = JobInputs(
        inputs=Path(inputs),
        table=Path(table),
        folds=Path(folds),
        out_dir=Path(models).parent,
        work_dir=Path(run["work"]),
        run_key=run_key("train", names, {"method": method, "seed": seed, "shards": shards}, digests, digest),
        seed=seed,
        threads=threads,
        device=run["device"],
        every_s=run["every_s"],
    )
    run_training(job, TrainSpec(section, searches, int(names["shard"]), shards, origin))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
