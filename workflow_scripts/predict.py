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
    from fernas.training.predict import run_predict

    run_predict(
        inputs_npy=Path(inputs),
        inputs_table=Path(table),
        folds_train_json=Path(folds),
        folds_test_json=Path(test_folds),
        architectures=[Path(path) for path in architectures],
        shard_dirs=[Path(path).parent for path in models],
        method=method,
        out=Path(predictions),
        scope=scope,
        threads=threads,
        device=run["device"],
    )


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
