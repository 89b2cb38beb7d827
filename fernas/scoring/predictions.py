"""Predictions as counts: one confusion matrix per unit of resampling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fernas.core.errors import ContractError
from fernas.metrics import Metric
from fernas.scoring.read import PREFIX, check_predictions, class_names

if TYPE_CHECKING:
    import pandas as pd

CONTENT = ("sample_id", "fold", "label")


@dataclass(frozen=True)
class Answers:
    """Predictions of one run with one or more seeds, on the same samples.

    Attributes:
        classes: class names.
        rows: sample_id, fold, label and what else the predictions hold, sorted by fold and id, shared by all seeds.
        true: class indices (N,).
        probabilities: of the classes, float64 (S, N, K).
        predicted: class indices (S, N), the class of largest probability (the first of equals).
        units: unit of each sample (N,), see `unit`.
        unit: subject, duplicate group or image; `subject or image` in a composite where some datasets have no subjects.
    """

    classes: tuple[str, ...]
    rows: "pd.DataFrame"
    true: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    units: np.ndarray
    unit: str

    def confusions(self, keep: np.ndarray | None = None) -> tuple[list[str], np.ndarray]:
        """Names of the units and their confusion matrices int64 (S, U, K, K), of all samples or of a mask (N,)."""
        subset = self if keep is None else self.subset(keep)
        names, unit = np.unique(subset.units, return_inverse=True)
        return names.tolist(), subset.counts(unit, len(names))

    def subset(self, keep: np.ndarray) -> "Answers":
        """The samples of a mask (N,)."""
        predicted, probabilities = self.predicted[:, keep], self.probabilities[:, keep]
        return replace(
            self,
            rows=self.rows[keep],
            true=self.true[keep],
            probabilities=probabilities,
            predicted=predicted,
            units=self.units[keep],
        )

    def counts(self, place: np.ndarray, size: int) -> np.ndarray:
        """Confusion matrices int64 (S, size, K, K) of the samples at each place: (N,) in 0 .. size - 1."""
        classes = len(self.classes)
        counts = np.zeros((len(self.predicted), size, classes, classes), np.int64)
        for seed, predicted in enumerate(self.predicted):
            np.add.at(counts[seed], (place, self.true, predicted), 1)
        return counts

    def scores(self, metric: Metric, place: np.ndarray, size: int) -> np.ndarray:
        """Scores (S, size) of the samples at each place: (N,) in 0 .. size - 1; NaN where undefined."""
        if metric.of_confusion is not None:
            return metric.of_confusion(self.counts(place, size).astype(np.float64))
        assert metric.of_predictions is not None
        masks = [place == index for index in range(size)]
        return np.array([[metric.of_predictions(self.true[m], p[m]) for m in masks] for p in self.probabilities])

    def pooled(self, metric: Metric) -> np.ndarray:
        """Scores (S,) of all samples together, one per seed."""
        return self.scores(metric, np.zeros(len(self.true), np.int64), 1)[:, 0]


def answers(
    tables: Sequence["pd.DataFrame"], classes: Sequence[str] | None = None, where: str = "predictions"
) -> Answers:
    """The predictions of the seeds of one run.

    Raises:
        DataError: a table is not as predictions must be.
        ContractError: no table, or seeds that were not tested on the same samples.
    """
    if not tables:
        raise ContractError(f"{where}: got no predictions, expected those of one seed at least")
    checked: list[pd.DataFrame] = []
    for table in tables:
        wanted = list(classes) if classes is not None else None
        found = check_predictions(table, where, wanted if not checked else class_names(checked[0]))
        checked.append(found.sort_values(["fold", "sample_id"], kind="stable").reset_index(drop=True))
    first = checked[0]
    for seed, other in enumerate(checked[1:], start=1):
        same_samples(first, other, f"{where}: seeds 0 and {seed}")
    names = class_names(first)
    index = {name: place for place, name in enumerate(names)}
    columns = [PREFIX + name for name in names]
    units, unit = units_of(first)
    probabilities = np.stack([table[columns].to_numpy(np.float64) for table in checked])
    return Answers(
        classes=tuple(names),
        rows=first,
        true=first["label"].map(index).to_numpy(np.int64),
        probabilities=probabilities,
        predicted=probabilities.argmax(axis=-1),
        units=units,
        unit=unit,
    )


def same_samples(left: "pd.DataFrame", right: "pd.DataFrame", where: str) -> None:
    """Refuse two tables (sorted by fold and id) that don't hold the same samples with the same labels and subjects."""
    if list(left["sample_id"]) != list(right["sample_id"]):
        ours, theirs = set(left["sample_id"]), set(right["sample_id"])
        odd = sorted(ours ^ theirs)
        if odd:
            raise ContractError(
                f"{where}: sample {odd[0]!r} stands in one and not in the other; expected the same samples"
            )
        raise ContractError(f"{where}: the same samples are in other folds; expected the same folds")
    for column in ("label", "subject"):
        if column in left.columns and column in right.columns:
            other = (left[column].fillna("") != right[column].fillna("")).to_numpy()
            if other.any():
                place = int(other.argmax())
                raise ContractError(
                    f"{where}: sample {left['sample_id'].iloc[place]!r} has the {column} {left[column].iloc[place]!r} "
                    f"in one and {right[column].iloc[place]!r} in the other"
                )


def units_of(rows: "pd.DataFrame") -> tuple[np.ndarray, str]:
    """The unit of resampling of each sample (N,), and what such a unit is called."""
    units = rows["sample_id"].astype(str)
    name = "image"
    if "group" in rows.columns and rows["group"].notna().any():
        grouped = rows["group"].where(rows["group"].notna(), units).astype(str)
        if grouped.nunique() < units.nunique():
            units, name = grouped, "duplicate group"
    if "subject" in rows.columns:
        known = rows["subject"].notna()
        units = rows["subject"].where(known, units).astype(str)
        if known.any():
            name = "subject" if known.all() else f"subject or {name}"
    return units.to_numpy(str), name


def number(value: float) -> float | None:
    """A float as json takes it: NaN (undefined) is null."""
    return None if math.isnan(value) else float(value)
