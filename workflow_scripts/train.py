"""Train the searched networks of one shard of folds from scratch."""

from pathlib import Path
from types import SimpleNamespace

from fernas.workflow.job import RuleJob, run_rule


def main(
    input: SimpleNamespace, output: SimpleNamespace, params: SimpleNamespace, wildcards: SimpleNamespace, job: RuleJob
) -> None:
    """Write the models of the folds k with k mod shards = shard."""
    from fernas.core.config import MethodConfig, validate_section
    from fernas.learn.job import JobInputs
    from fernas.training.run import Searches, TrainSpec, read_origin, run_training

    method = validate_section(MethodConfig, params.method, "method")
    origin = None
    if input.source:
        origin = read_origin(method, Path(input.source[0]), Path(input.source_folds[0]), Path(input.folds))
    searches = Searches(tuple(Path(path) for path in input.architectures), wildcards.scope)
    spec = TrainSpec(method, searches, int(wildcards.shard), params.shards, origin)
    run_training(JobInputs(out_dir=Path(output.models).parent, **job.settings), spec)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
