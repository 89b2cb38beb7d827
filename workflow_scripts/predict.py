"""Predict the test samples of all folds: the only script that reads test ids."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(
    inputs: str,
    table: str,
    folds: str,
    test_folds: str,
    architectures: list[str],
    models: list[str],
    statuses: list[str],
    predictions: str,
    scope: str,
    method: dict[str, Any],
    run: dict[str, Any],
    digest: str,
    threads: int = 1,
) -> None:
    """Write predictions.parquet; empty when a shard failed."""
    from fernas.core.config import MethodConfig, validate_section
    from fernas.training.predict import PredictInputs, run_predict
    from fernas.training.run import Searches

    job = PredictInputs(
        inputs=Path(inputs),
        table=Path(table),
        folds=Path(folds),
        test_folds=Path(test_folds),
        searches=Searches(tuple(Path(path) for path in architectures), scope),
        shard_dirs=tuple(Path(path).parent for path in models),
        threads=threads,
        device=run["device"],
    )
    run_predict(job, validate_section(MethodConfig, method, "method"), Path(predictions))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
