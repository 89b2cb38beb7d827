"""Recall by demographic group: how far the best and the worst served group of an attribute are apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.seeds import rng
from fernas.scoring.intervals import TINY
from fernas.scoring.predictions import Predictions, stack_seeds

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 10
"""Groups with fewer samples are listed and not compared."""

FRAME = re.compile(r"/f\d{5}$")


@dataclass(frozen=True)
class _Resampling:
    """How the interval of a gap is drawn: resamples, coverage, and the seed of an attribute's draws."""

    resamples: int
    level: float
    seed: int


def demographic_scores(
    tables: Sequence["pd.DataFrame"],
    attributes: "pd.DataFrame",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Recall per demographic group of every attribute, and the gap between the best and the worst served group.

    A group's recall is the mean of its recalls of the classes that all compared groups have (otherwise their mixes
    of classes would be compared), averaged over seeds. The interval of the gap comes from resampling whole units
    (subjects, or images where a dataset names none) within the two groups, by percentiles. The data choose the two
    groups, as those that are farthest apart, so the interval is too favourable to a real gap where there are many
    groups.

    Args:
        tables: predictions of one run, one per seed.
        attributes: `sample_id` of the manifest and one column of group names per attribute.
        classes: class names in their order; by default those of the columns.
        resamples: resamples of the interval.
        level: its coverage.
        seed: of the resamples.

    Returns:
        attribute -> {groups: {name: {samples, units, recall, accuracy}}, classes (compared), gap, best, worst,
        interval, left_out: {name: samples}, unknown}; an attribute with fewer than two groups to compare is absent.
    """
    predictions = stack_seeds(tables, classes)
    by_sample = attributes.set_index("sample_id")
    # the manifest names a clip, a prediction may name one of its frames
    ids = [
        name if name in by_sample.index else FRAME.sub("", name) for name in predictions.rows["sample_id"].astype(str)
    ]
    rows = by_sample.reindex(ids)
    resampling = _Resampling(resamples, level, seed)
    scores = {}
    for name in map(str, by_sample.columns):
        attribute = _attribute(predictions, rows[name].to_numpy(object), name, resampling)
        if attribute is not None:
            scores[name] = attribute
    return scores


def _attribute(
    predictions: Predictions, group_of: np.ndarray, name: str, resampling: _Resampling
) -> dict[str, Any] | None:
    """The scores of one attribute, given the group of each sample (N,), None where it is unknown."""
    known = np.array([isinstance(value, str) for value in group_of])
    names, sizes = np.unique(group_of[known].astype(str), return_counts=True)
    compared = [str(n) for n, size in zip(names, sizes, strict=True) if size >= FEWEST]
    if len(compared) < 2:
        return None
    counts = {group: predictions.subset(known & (group_of == group)).unit_confusions()[1] for group in compared}
    pooled = {group: matrices.sum(axis=1) for group, matrices in counts.items()}
    # labels are the same for all seeds, so those of the first say which classes a group has
    shared = np.all([matrix[0].sum(axis=-1) > 0 for matrix in pooled.values()], axis=0)
    if not shared.any():
        return None
    recalls = {group: float(_recall(matrix, shared).mean()) for group, matrix in pooled.items()}
    best, worst = max(recalls, key=lambda g: recalls[g]), min(recalls, key=lambda g: recalls[g])
    return {
        "groups": {
            group: {
                "samples": int(pooled[group][0].sum()),
                "units": counts[group].shape[1],
                "recall": recalls[group],
                "accuracy": float(_accuracy(pooled[group])),
            }
            for group in compared
        },
        "classes": [c for c, use in zip(predictions.classes, shared, strict=True) if use],
        "gap": recalls[best] - recalls[worst],
        "best": best,
        "worst": worst,
        "interval": _gap_interval(counts[best], counts[worst], shared, name, resampling),
        "left_out": {str(n): int(size) for n, size in zip(names, sizes, strict=True) if str(n) not in compared},
        "unknown": int((~known).sum()),
    }


def _recall(counts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mean recall (...) of some classes, a mask (K,), from counts (..., K, K).

    Classes without samples are left out; NaN where none is left.
    """
    support = counts.sum(axis=-1)[..., classes]
    hits = np.diagonal(counts, axis1=-2, axis2=-1)[..., classes]
    present = (support > 0).sum(axis=-1)
    # without support there are no hits either: 0 / 1 instead of 0 / 0
    total = (hits / np.maximum(support, 1)).sum(axis=-1)
    mean: np.ndarray = np.where(present > 0, total / np.maximum(present, 1), np.nan)
    return mean


def _accuracy(counts: np.ndarray) -> float:
    return float((np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))).mean())


def _gap_interval(
    best: np.ndarray, worst: np.ndarray, classes: np.ndarray, name: str, resampling: _Resampling
) -> list[float | None]:
    """Percentiles of the gap, whole units of each group drawn again; nulls where it is not estimable.

    That is where a group is a single unit, or all resamples give one gap.

    Args:
        best: counts (S, U, K, K) of the units of the best served group.
        worst: those of the worst served one.
        classes: mask (K,) of the compared classes.
        name: of the attribute.
        resampling: how resamples are drawn.
    """
    if min(best.shape[1], worst.shape[1]) < 2:
        return [None, None]
    generator = rng(resampling.seed, "groups", name)
    recalls = []
    for counts in (best, worst):
        seeds, units, size, _ = counts.shape
        weights = generator.multinomial(units, np.full(units, 1 / units), resampling.resamples).astype(np.float64)
        # counting drawn units by how often they are drawn gives all resamples in one product
        drawn = (weights @ counts.transpose(1, 0, 2, 3).reshape(units, -1)).reshape(-1, seeds, size, size)
        recalls.append(_recall(drawn, classes).mean(axis=-1))
    outside = (1 - resampling.level) / 2
    # a resample in which a group misses all compared classes has no recall
    gaps = recalls[0] - recalls[1]
    if np.nanmax(gaps) - np.nanmin(gaps) <= TINY:
        return [None, None]
    low, high = np.nanquantile(gaps, [outside, 1 - outside])
    return [float(low), float(high)]
