"""Recall by groups of people: how far apart the best and the worst served group of an attribute are."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.seeds import rng
from fernas.scoring.predictions import Answers, answers

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 10
"""Groups of fewer samples are named and not compared."""

FRAME = re.compile(r"/f\d{5}$")


def group_scores(
    tables: Sequence["pd.DataFrame"],
    groups: "pd.DataFrame",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Recall per group of every attribute, and the gap between the best and the worst served group.

    A group's recall is the mean of its recalls of the classes that all compared groups have (their own mix of classes
    would be compared otherwise), averaged over seeds. The gap's interval comes from resampling whole units (subjects;
    images where a dataset names none) within the two groups, percentiles; it is of the two groups that are farthest
    apart in the data, so it is optimistic about their difference being real where there are many groups.

    Args:
        tables: predictions of one run, one per seed.
        groups: `sample_id` of the manifest and one column per attribute.
        classes: class names in their order; by default those of the columns.
        resamples: resamples of the interval.
        level: its coverage.
        seed: of the resamples.

    Returns:
        attribute -> {groups: {name: {samples, units, recall, accuracy}}, classes (compared), gap, best, worst,
        interval, left_out: {name: samples}, unknown}; an attribute with fewer than two groups to compare is absent.
    """
    found = answers(tables, classes)
    attributes = [str(name) for name in groups.columns if name != "sample_id"]
    index = groups.set_index("sample_id")
    sources = [name if name in index.index else FRAME.sub("", name) for name in found.rows["sample_id"].astype(str)]
    lines = index.reindex(sources)
    documents = {}
    for name in attributes:
        document = _attribute(found, lines[name].to_numpy(object), resamples, level, seed, name)
        if document is not None:
            documents[name] = document
    return documents


def _attribute(
    found: Answers, group_of: np.ndarray, resamples: int, level: float, seed: int, name: str
) -> dict[str, Any] | None:
    known = np.array([isinstance(value, str) for value in group_of])
    names, sizes = np.unique(group_of[known].astype(str), return_counts=True)
    compared = [str(n) for n, size in zip(names, sizes, strict=True) if size >= FEWEST]
    counts = {group: found.confusions(known & (group_of == group)) for group in compared}
    pooled = {group: confusions.sum(axis=1) for group, (_, confusions) in counts.items()}
    if len(compared) < 2:
        return None
    shared = np.all([matrix[0].sum(axis=-1) > 0 for matrix in pooled.values()], axis=0)
    if not shared.any():
        return None
    recalls = {group: float(_recall(matrix, shared).mean()) for group, matrix in pooled.items()}
    best, worst = max(recalls, key=lambda g: recalls[g]), min(recalls, key=lambda g: recalls[g])
    low, high = _gap_interval(counts[best][1], counts[worst][1], shared, resamples, level, seed, name)
    return {
        "groups": {
            group: {
                "samples": int(pooled[group][0].sum()),
                "units": len(counts[group][0]),
                "recall": recalls[group],
                "accuracy": float(_accuracy(pooled[group])),
            }
            for group in compared
        },
        "classes": [c for c, use in zip(found.classes, shared, strict=True) if use],
        "gap": recalls[best] - recalls[worst],
        "best": best,
        "worst": worst,
        "interval": [low, high],
        "left_out": {str(n): int(size) for n, size in zip(names, sizes, strict=True) if str(n) not in compared},
        "unknown": int((~known).sum()),
    }


def _recall(counts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(..., K, K) -> mean recall of some classes (...); classes without samples are left out, none left is NaN."""
    support = counts.sum(axis=-1)[..., classes]
    hits = np.diagonal(counts, axis1=-2, axis2=-1)[..., classes]
    present = (support > 0).sum(axis=-1)
    total = (hits / np.maximum(support, 1)).sum(axis=-1)
    mean: np.ndarray = np.where(present > 0, total / np.maximum(present, 1), np.nan)
    return mean


def _accuracy(counts: np.ndarray) -> float:
    return float((np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))).mean())


def _gap_interval(
    best: np.ndarray, worst: np.ndarray, classes: np.ndarray, resamples: int, level: float, seed: int, name: str
) -> tuple[float | None, float | None]:
    """Percentiles of the difference, whole units of each group drawn again; None where a group is one unit."""
    if min(best.shape[1], worst.shape[1]) < 2:
        return None, None
    generator = rng(seed, "groups", name)
    sides = []
    for counts in (best, worst):
        seeds, units, size, _ = counts.shape
        weights = generator.multinomial(units, np.full(units, 1 / units), resamples).astype(np.float64)
        drawn = (weights @ counts.transpose(1, 0, 2, 3).reshape(units, -1)).reshape(resamples, seeds, size, size)
        sides.append(_recall(drawn, classes).mean(axis=-1))
    outside = (1 - level) / 2
    low, high = np.nanquantile(sides[0] - sides[1], [outside, 1 - outside])
    return float(low), float(high)
