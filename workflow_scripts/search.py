"""Search an architecture for one fold group."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fernas.workflow.job import RuleJob, run_rule


def main(
    source: list[str], architecture: str, search: dict[str, Any], wildcards: SimpleNamespace, job: RuleJob
) -> None:
    """Write the outputs of one search beside its architecture."""
    from fernas.learn.job import JobInputs
    from fernas.search.run import SearchSpec, run_search

    origin = Path(source[0]) if source else None
    spec = SearchSpec.of(search, wildcards.scope, int(wildcards.fold_group), origin)
    run_search(JobInputs(out_dir=Path(architecture).parent, **job.settings), spec)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
