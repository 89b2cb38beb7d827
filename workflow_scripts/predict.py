"""Predict the test samples of all folds: the only script that reads test ids."""

from pathlib import Path
from types import SimpleNamespace

from fernas.workflow.job import run_rule


def main(
    input: SimpleNamespace, predictions: str, params: SimpleNamespace, wildcards: SimpleNamespace, threads: int = 1
) -> None:
    """Write predictions.parquet; empty when a shard failed."""
    from fernas.core.config import MethodConfig, validate_section
    from fernas.training.predict import PredictInputs, run_predict
    from fernas.training.run import Searches

    job = PredictInputs(
        inputs=Path(input.inputs),
        table=Path(input.table),
        folds=Path(input.folds),
        test_folds=Path(input.test_folds),
        searches=Searches(tuple(Path(path) for path in input.architectures), wildcards.scope),
        shard_dirs=tuple(Path(path).parent for path in input.models),
        threads=threads,
        device=params.run["device"],
    )
    run_predict(job, validate_section(MethodConfig, params.method, "method"), Path(predictions))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
