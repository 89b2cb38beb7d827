"""Search an architecture for one group of folds."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import combine_digests, input_digests, run_rule


def main(
    inputs: str,
    table: str,
    folds: str,
    audit: str,
    source: list[str],
    architecture: str,
    history: str,
    drawing: str,
    cost: str,
    status: str,
    names: dict[str, str],
    search: dict[str, Any],
    run: dict[str, Any],
    seed: int,
    digest: str,
    threads: int = 1,
) -> None:
    """Write the outputs of one search beside `architecture`; `audit` must have passed."""
    from fernas.core.digest import run_key
    from fernas.learn.job import JobInputs
    from fernas.search.run import SearchSpec, run_search

    digests = input_digests({"inputs": inputs, "table": table, "folds": folds})
    if source:
        digests["source"] = combine_digests(source)
    job = JobInputs(
        inputs=Path(inputs),
        table=Path(table),
        folds=Path(folds),
        out_dir=Path(architecture).parent,
        work_dir=Path(run["work"]),
        run_key=run_key("search", names, {"search": search, "seed": seed}, digests, digest),
        seed=seed,
        threads=threads,
        device=run["device"],
        every_s=run["every_s"],
    )
    run_search(job, SearchSpec.of(search, names["scope"], int(names["g"]), Path(source[0]) if source else None))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
