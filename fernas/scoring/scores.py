"""Scores of a run: its predictions pooled over all folds per seed, averaged over seeds, intervals over subjects.

`score_seeds` gives the object that scores.json holds:

- every metric by its name: over all samples together, then averaged over seeds; null where it is undefined
- `interval` (metric -> [low, high]; nulls where it is not estimable: a single unit leaves nothing to resample, or all
  resamples give one score, as for a perfect or a constant predictor; and for a metric that needs probabilities, since
  counts are resampled), `interval_unit`, `interval_method`, `level`, `resamples`, `redrawn`
- `mean_of_folds`: metric -> mean over the folds in which it is defined, each over the classes that the fold tests
- `per_class`: recall, precision, f1, support, predicted; counts of all seeds together
- `per_subject`, `per_dataset` (of a composite dataset), `confusion` (rows are true classes, summed over seeds)
- `without_no_face`: the metrics without samples in which no face was detected, null where that is not known
- `constant_predictor` (nearly all predictions are one class), `top_prediction`, `constant_folds` (folds of ten or more
  samples and several classes for which a seed predicts one class only)
- `seeds`, `per_seed`, `sd` (standard deviation over seeds), `samples`, `units`, `subjects`, `folds`, `classes`
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.core.seeds import rng
from fernas.metrics import Metric, all_metrics, confusion
from fernas.scoring.intervals import METHOD, as_lists, bootstrap_intervals
from fernas.scoring.predictions import Predictions, number_or_none, stack_seeds
from fernas.scoring.read import check_predictions

if TYPE_CHECKING:
    import pandas as pd

CONSTANT_SHARE = 0.99
FOLD_SAMPLES = 10  # a smaller fold may well be one class for a good network
ORACLE = "oracle"


def score_predictions(
    table: "pd.DataFrame",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """The scores of the predictions of one seed; see `score_seeds`.

    Predictions with a column `oracle` (classes predicted by the epoch that scores best on the test split) give an entry
    of that name too: the metrics of these predictions, and `epochs` by fold, -1 for the model that counts.
    """
    document = score_seeds([table], classes, resamples, level, seed)
    return document | ({ORACLE: oracle_scores(table, document["classes"])} if ORACLE in table.columns else {})


def oracle_scores(table: "pd.DataFrame", classes: Sequence[str]) -> dict[str, Any]:
    """The metrics of the column `oracle`, pooled over all test samples, null where one needs probabilities.

    They are optimistic by construction, so there is no interval.
    """
    index = {name: number for number, name in enumerate(classes)}
    matrix = confusion(table["label"].map(index), table[ORACLE].map(index), len(classes)).astype(np.float64)
    scores = {m.name: number_or_none(float(m.of_confusion(matrix))) if m.of_confusion else None for m in all_metrics()}
    epochs = table.groupby("fold")["oracle_epoch"].first()
    return {**scores, "epochs": {str(fold): int(epoch) for fold, epoch in epochs.items()}}


def score_seeds(
    tables: Sequence["pd.DataFrame"],
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """The scores of the predictions of several seeds on the same samples, as the head of this module lists them.

    Args:
        tables: predictions, one per seed, see `read.read_predictions`.
        classes: class names in their order; by default that of the columns.
        resamples: resamples of the intervals.
        level: coverage of the intervals.
        seed: of the resamples.

    Raises:
        DataError, ContractError: the predictions are not as they must be, or seeds differ in their samples.
    """
    metrics, predictions = all_metrics(), stack_seeds(tables, classes)
    units, confusions = predictions.unit_confusions()
    intervals = bootstrap_intervals(confusions, metrics, rng(seed, "intervals"), resamples, level)
    values = {metric.name: predictions.pooled_scores(metric) for metric in metrics}
    matrix = confusions.sum(axis=(0, 1))  # (S, U, K, K) -> (K, K)
    return {
        **{name: number_or_none(seeds.mean()) for name, seeds in values.items()},
        "interval": as_lists(intervals.bounds),
        "interval_unit": predictions.unit,
        "interval_method": METHOD,
        "level": level,
        "resamples": intervals.resamples,
        "redrawn": intervals.redrawn,
        "mean_of_folds": _mean_of_folds(predictions, metrics),
        "per_class": _per_class(predictions.classes, matrix),
        "per_subject": _per_subject(predictions),
        "per_dataset": _per_dataset(predictions, metrics),
        "confusion": matrix.tolist(),
        "without_no_face": _without_no_face(predictions, metrics),
        **_constant(predictions),
        "seeds": len(tables),
        "per_seed": [{name: number_or_none(value[k]) for name, value in values.items()} for k in range(len(tables))],
        "sd": {name: _sd(seeds) for name, seeds in values.items()},
        "samples": len(predictions.true),
        "units": len(units),
        "subjects": int(predictions.rows["subject"].nunique()) if "subject" in predictions.rows.columns else 0,
        "folds": int(predictions.rows["fold"].nunique()),
        "classes": list(predictions.classes),
    }


def score_file(table: "pd.DataFrame", protocol: str, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The scores of predictions from outside, checked against what a protocol of `fernas/protocols` asks for.

    Raises:
        ConfigError: there is no such protocol.
        DataError: a sample is tested twice where the protocol tests it once; subjects are missing where it goes by
            subjects; a subject is tested in several folds, or a fold tests several, where it keeps them apart.
    """
    plugin = plugins.load("protocols", protocol)
    table = check_predictions(table, "predictions")
    if plugin.tests_once:
        twice = table.loc[table["sample_id"].duplicated(), "sample_id"]
        if len(twice):
            raise DataError(f"predictions: sample {twice.iloc[0]!r} is tested twice; {protocol} tests each sample once")
    if plugin.needs_subjects:
        has_none = table["subject"].isna() if "subject" in table.columns else np.ones(len(table), bool)
        without = table.loc[has_none, "sample_id"]
        if len(without):
            raise DataError(f"predictions: sample {without.iloc[0]!r} has no subject; {protocol} goes by subjects")
    if "subject" in table.columns:
        _check_folds(table, plugin)
    document = score_predictions(table, resamples=resamples, seed=seed)
    note = plugin.note(table, {}) if plugin.needs_subjects else plugin.published or plugin.title
    return document | {"protocol": protocol, "note": note}


def _check_folds(table: "pd.DataFrame", protocol: Any) -> None:
    """Refuse folds that the protocol cannot have made: others were trained on test subjects."""

    def refuse_several(inner: str, outer: str, expected: str) -> None:
        """Refuse the first value of one column that goes with several values of another one."""
        pairs = table[[inner, outer]].dropna().drop_duplicates()
        several = pairs[pairs[inner].duplicated(keep=False)]
        if len(several):
            value = several[inner].iloc[0]
            others = ", ".join(map(str, several.loc[several[inner] == value, outer].head(3)))
            raise DataError(f"predictions: {inner} {value} is tested with {outer} {others}; {protocol.name} {expected}")

    if protocol.tests_once and not protocol.replica:
        refuse_several("subject", "fold", "tests all samples of a subject in one fold")
    if protocol.fold_per_subject:
        refuse_several("fold", "subject", "tests one subject per fold")


def _sd(values: np.ndarray) -> float | None:
    """Standard deviation over the seeds in which a metric is defined; None for fewer than two."""
    defined = values[~np.isnan(values)]
    return float(np.std(defined, ddof=1)) if len(defined) > 1 else None


def _mean_of_folds(predictions: Predictions, metrics: Sequence[Metric]) -> dict[str, float | int | None]:
    folds, index = np.unique(predictions.rows["fold"].to_numpy(), return_inverse=True)
    means: dict[str, float | int | None] = {}
    for metric in metrics:
        # a fold of one class has no kappa, MCC or AUROC, and counting it as zero would lower the mean
        scores = predictions.scores(metric, index, len(folds))
        defined = scores[~np.isnan(scores)]
        means[metric.name] = float(defined.mean()) if len(defined) else None
    return means | {"folds": len(folds)}


def _per_class(classes: Sequence[str], matrix: np.ndarray) -> dict[str, dict[str, Any]]:
    per_class = {}
    for index, name in enumerate(classes):
        hits, support, predicted = int(matrix[index, index]), int(matrix[index].sum()), int(matrix[:, index].sum())
        per_class[name] = {
            "recall": hits / support if support else None,
            "precision": hits / predicted if predicted else None,
            "f1": 2 * hits / (support + predicted) if support else None,
            "support": support,
            "predicted": predicted,
        }
    return per_class


def _per_subject(predictions: Predictions) -> dict[str, dict[str, Any]]:
    """Subject -> samples, and the accuracy averaged over seeds."""
    if "subject" not in predictions.rows.columns:
        return {}
    hit_share = (predictions.predicted == predictions.true).mean(axis=0)
    known = predictions.rows["subject"].notna().to_numpy()
    names, index = np.unique(predictions.rows["subject"].to_numpy()[known].astype(str), return_inverse=True)
    samples = np.bincount(index, minlength=len(names))
    hits = np.bincount(index, weights=hit_share[known], minlength=len(names))
    return {
        str(name): {"samples": int(count), "accuracy": float(hit / count)}
        for name, count, hit in zip(names, samples, hits, strict=True)
    }


def _per_dataset(predictions: Predictions, metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    """Part of a composite dataset -> its scores from the same predictions; empty for a single dataset."""
    if "dataset" not in predictions.rows.columns or predictions.rows["dataset"].nunique() < 2:
        return {}
    datasets = predictions.rows["dataset"].astype(str).to_numpy()
    return {str(name): _pooled(predictions.subset(datasets == name), metrics) for name in np.unique(datasets)}


def _pooled(predictions: Predictions, metrics: Sequence[Metric]) -> dict[str, Any]:
    scores = {metric.name: number_or_none(predictions.pooled_scores(metric).mean()) for metric in metrics}
    return {**scores, "samples": len(predictions.true), "units": len(np.unique(predictions.units))}


def _without_no_face(predictions: Predictions, metrics: Sequence[Metric]) -> dict[str, Any] | None:
    rows = predictions.rows
    if "face_status" not in rows.columns or rows["face_status"].isna().all():
        return None
    has_face = (rows["face_status"] != "no_face").to_numpy()
    if not has_face.any():
        return {**{metric.name: None for metric in metrics}, "samples": 0, "units": 0, "left_out": len(has_face)}
    return _pooled(predictions.subset(has_face), metrics) | {"left_out": int((~has_face).sum())}


def _constant(predictions: Predictions) -> dict[str, Any]:
    """Signs of a network that has learned nothing: one class for nearly all samples, or for a whole fold."""
    counts = np.bincount(predictions.predicted.ravel(), minlength=len(predictions.classes))
    top, share = predictions.classes[int(counts.argmax())], float(counts.max() / counts.sum())
    folds = predictions.rows["fold"].to_numpy()
    constant_folds = []
    for fold in np.unique(folds):
        inside = folds == fold
        # in a fold of one class a constant prediction may be right
        several = inside.sum() >= FOLD_SAMPLES and len(np.unique(predictions.true[inside])) > 1
        if several and any(len(np.unique(predicted[inside])) == 1 for predicted in predictions.predicted):
            constant_folds.append(str(fold))
    return {
        "constant_predictor": bool(share >= CONSTANT_SHARE),
        "top_prediction": {"class": top, "share": share},
        "constant_folds": constant_folds,
    }
