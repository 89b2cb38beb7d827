"""Scores of a run: pooled over all test samples per seed, averaged over seeds; intervals over subjects."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.core.seeds import rng
from fernas.metrics import Metric, all_metrics, confusion
from fernas.scoring.intervals import METHOD, bootstrap_intervals, rounded
from fernas.scoring.predictions import Answers, answers, number

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

    Predictions with a column `oracle` (answers of the epochs that the test side likes best) give an entry of that name
    too: `accuracy`, `uf1`, `uar` of those answers, and `epochs` by fold, -1 for the model that counts.
    """
    document = score_seeds([table], classes, resamples, level, seed)
    return document | ({ORACLE: oracle_scores(table, document["classes"])} if ORACLE in table.columns else {})


def oracle_scores(table: "pd.DataFrame", classes: Sequence[str]) -> dict[str, Any]:
    """The scores of the column `oracle`, pooled over all test samples; optimistic by construction, so no interval."""
    index = {name: place for place, name in enumerate(classes)}
    matrix = confusion(table["label"].map(index), table[ORACLE].map(index), len(classes)).astype(np.float64)
    epochs = table.groupby("fold")["oracle_epoch"].first()
    scores = {m.name: number(float(m.of_confusion(matrix))) if m.of_confusion else None for m in all_metrics()}
    return {**scores, "epochs": {str(fold): int(epoch) for fold, epoch in epochs.items()}}


def score_seeds(
    tables: Sequence["pd.DataFrame"],
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """The scores of the predictions of several seeds on the same samples.

    Args:
        tables: predictions, see `read.read_predictions`.
        classes: class names in their order; by default that of the columns.
        resamples: resamples of the intervals.
        level: coverage of the intervals.
        seed: of the resamples.

    Returns:
        Every score by name (`accuracy`, `uf1`, `uar`): pooled over all samples, then averaged over seeds; `interval`
        (score -> [low, high], nulls where one unit alone leaves nothing to resample), `interval_unit`,
        `interval_method`, `level`, `resamples`, `redrawn`; `mean_of_folds` (score -> mean over folds, each over the
        classes it tests); `per_class` (recall, precision, f1, support, predicted; counts of all seeds together),
        `per_subject`, `per_dataset` (of a composite), `confusion` (rows true classes, summed over seeds);
        `without_no_face` (the scores without samples in which no face was found, or null where that is not known);
        `constant_predictor` (nearly all predictions are one class), `top_prediction`, `constant_folds` (of ten or
        more samples and several classes, but answered with one by a seed); `seeds`, `per_seed`, `sd`
        (standard deviation over seeds); `samples`, `subjects`, `folds`, `classes`.

    Raises:
        DataError, ContractError: the predictions are not as they must be, or seeds differ in their samples.
    """
    found = answers(tables, classes)
    metrics = all_metrics()
    units, confusions = found.confusions()
    pooled = confusions.sum(axis=1)
    intervals = bootstrap_intervals(confusions, metrics, rng(seed, "intervals"), resamples, level)
    values = {metric.name: found.pooled(metric) for metric in metrics}
    per_seed = [{name: number(value[seed]) for name, value in values.items()} for seed in range(len(tables))]
    top, share = _top_prediction(found)
    document: dict[str, Any] = {
        **{name: number(value.mean()) for name, value in values.items()},
        "interval": rounded(intervals.bounds),
        "interval_unit": found.unit,
        "interval_method": METHOD,
        "level": level,
        "resamples": intervals.resamples,
        "redrawn": intervals.redrawn,
        "mean_of_folds": _mean_of_folds(found, metrics),
        "per_class": _per_class(found.classes, pooled.sum(axis=0)),
        "per_subject": _per_subject(found),
        "per_dataset": _per_dataset(found, metrics),
        "confusion": pooled.sum(axis=0).tolist(),
        "without_no_face": _without_no_face(found, metrics),
        "constant_predictor": bool(share >= CONSTANT_SHARE),
        "top_prediction": {"class": top, "share": share},
        "constant_folds": _constant_folds(found),
        "seeds": len(tables),
        "per_seed": per_seed,
        "sd": {m.name: _sd([scores[m.name] for scores in per_seed]) for m in metrics},
        "samples": len(found.true),
        "units": len(units),
        "subjects": _count(found, "subject"),
        "folds": int(found.rows["fold"].nunique()),
        "classes": list(found.classes),
    }
    return document


def score_file(table: "pd.DataFrame", protocol: str, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The scores of predictions from outside, judged by what a protocol of `fernas/protocols` asks for.

    Raises:
        ConfigError: there is no such protocol.
        DataError: a sample is tested twice where the protocol tests it once, or subjects are missing where it goes by
            subjects.
    """
    plugin = plugins.load("protocols", protocol)
    if plugin.tests_once:
        twice = table.loc[table["sample_id"].duplicated(), "sample_id"]
        if len(twice):
            raise DataError(f"predictions: sample {twice.iloc[0]!r} is tested twice; {protocol} tests each sample once")
    if plugin.needs_subjects:
        without = (
            table["sample_id"] if "subject" not in table.columns else table.loc[table["subject"].isna(), "sample_id"]
        )
        if len(without):
            raise DataError(f"predictions: sample {without.iloc[0]!r} has no subject; {protocol} goes by subjects")
    document = score_predictions(table, resamples=resamples, seed=seed)
    note = plugin.note(table, {}) if plugin.needs_subjects else plugin.published or plugin.title
    return document | {"protocol": protocol, "note": note}


def _scores(found: Answers, metrics: Sequence[Metric]) -> dict[str, float | None]:
    """Name -> mean over seeds of the score of all samples together."""
    return {metric.name: number(found.pooled(metric).mean()) for metric in metrics}


def _sd(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _count(found: Answers, column: str) -> int:
    return int(found.rows[column].nunique()) if column in found.rows.columns else 0


def _mean_of_folds(found: Answers, metrics: Sequence[Metric]) -> dict[str, float | int | None]:
    folds, place = np.unique(found.rows["fold"].to_numpy(), return_inverse=True)
    means: dict[str, float | int | None] = {}
    for metric in metrics:
        scores = found.scores(metric, place, len(folds))
        defined = scores[~np.isnan(scores)]
        means[metric.name] = float(defined.mean()) if len(defined) else None
    return means | {"folds": len(folds)}


def _per_class(classes: Sequence[str], matrix: np.ndarray) -> dict[str, dict[str, Any]]:
    hits, support, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    found = {}
    for place, name in enumerate(classes):
        hit, true, said = int(hits[place]), int(support[place]), int(predicted[place])
        found[name] = {
            "recall": hit / true if true else None,
            "precision": hit / said if said else None,
            "f1": 2 * hit / (true + said) if true else None,
            "support": true,
            "predicted": said,
        }
    return found


def _per_subject(found: Answers) -> dict[str, dict[str, Any]]:
    """Subject -> samples, and the accuracy averaged over seeds."""
    if "subject" not in found.rows.columns:
        return {}
    right = (found.predicted == found.true).mean(axis=0)
    known = found.rows["subject"].notna().to_numpy()
    names, place = np.unique(found.rows["subject"].to_numpy()[known].astype(str), return_inverse=True)
    samples = np.bincount(place, minlength=len(names))
    correct = np.bincount(place, weights=right[known], minlength=len(names))
    return {
        str(name): {"samples": int(n), "accuracy": float(c / n)}
        for name, n, c in zip(names, samples, correct, strict=True)
    }


def _per_dataset(found: Answers, metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    """Dataset of a composite -> its scores from the same pooled predictions; empty for a single dataset."""
    if "dataset" not in found.rows.columns or found.rows["dataset"].nunique() < 2:
        return {}
    datasets = found.rows["dataset"].astype(str).to_numpy()
    return {str(name): _subset(found, metrics, datasets == name) for name in np.unique(datasets)}


def _subset(found: Answers, metrics: Sequence[Metric], keep: np.ndarray) -> dict[str, Any]:
    subset = found.subset(keep)
    return {**_scores(subset, metrics), "samples": int(keep.sum()), "units": len(np.unique(subset.units))}


def _without_no_face(found: Answers, metrics: Sequence[Metric]) -> dict[str, Any] | None:
    if "face_status" not in found.rows.columns or found.rows["face_status"].isna().all():
        return None
    keep = (found.rows["face_status"] != "no_face").to_numpy()
    if not keep.any():
        return {**{metric.name: None for metric in metrics}, "samples": 0, "units": 0, "left_out": len(keep)}
    return _subset(found, metrics, keep) | {"left_out": int((~keep).sum())}


def _top_prediction(found: Answers) -> tuple[str, float]:
    counts = np.bincount(found.predicted.ravel(), minlength=len(found.classes))
    return found.classes[int(counts.argmax())], float(counts.max() / counts.sum())


def _constant_folds(found: Answers) -> list[str]:
    folds = found.rows["fold"].to_numpy()
    constant = []
    for fold in np.unique(folds):
        inside = folds == fold
        several = inside.sum() >= FOLD_SAMPLES and len(np.unique(found.true[inside])) > 1
        if several and any(len(np.unique(answers[inside])) == 1 for answers in found.predicted):
            constant.append(str(fold))
    return constant
