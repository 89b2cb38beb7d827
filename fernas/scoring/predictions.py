"""Predictions of one run as arrays, and as confusion matrices: one per seed and unit of resampling."""

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


@dataclass(frozen=True)
class Predictions:
    """Predictions of one run with one or more seeds on the same samples: S seeds, N samples, K classes.

    Attributes:
        classes: class names.
        rows: sample_id, fold, label and what else the table holds, sorted by fold and id, shared by all seeds.
        true: class indices int64 (N,).
        probabilities: of the classes, float64 (S, N, K).
        predicted: class indices int64 (S, N): the class of largest probability, the first of equals.
        units: name of the unit of resampling of each sample (N,), see `units_of`.
        unit: what a unit is: subject, duplicate set or image; `subject or image` in a composite dataset some of whose
            parts have no subjects.
    """

    classes: tuple[str, ...]
    rows: "pd.DataFrame"
    true: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    units: np.ndarray
    unit: str

    def subset(self, mask: np.ndarray) -> "Predictions":
        """The samples of a mask (N,)."""
        return replace(
            self,
            rows=self.rows[mask],
            true=self.true[mask],
            probabilities=self.probabilities[:, mask],
            predicted=self.predicted[:, mask],
            units=self.units[mask],
        )

    def unit_confusions(self) -> tuple[list[str], np.ndarray]:
        """Names of the U units, sorted, and their confusion matrices int64 (S, U, K, K)."""
        names, index = np.unique(self.units, return_inverse=True)
        return names.tolist(), self.confusions(index, len(names))

    def confusions(self, index: np.ndarray, count: int) -> np.ndarray:
        """Confusion matrices int64 (S, count, K, K) of disjoint sets of samples.

        Args:
            index: the set of each sample (N,), 0 .. count - 1.
            count: the number of sets.
        """
        matrices = np.zeros((len(self.predicted), count, len(self.classes), len(self.classes)), np.int64)
        for seed, predicted in enumerate(self.predicted):
            # `add.at` counts each repeated index, which `+=` on an indexed array would not
            np.add.at(matrices[seed], (index, self.true, predicted), 1)
        return matrices

    def scores(self, metric: Metric, index: np.ndarray, count: int) -> np.ndarray:
        """Scores (S, count) of disjoint sets of samples, see `confusions`; NaN where the metric is undefined."""
        if metric.of_confusion is not None:
            return metric.of_confusion(self.confusions(index, count).astype(np.float64))
        assert metric.of_predictions is not None
        masks = [index == number for number in range(count)]
        return np.array([[metric.of_predictions(self.true[m], p[m]) for m in masks] for p in self.probabilities])

    def pooled_scores(self, metric: Metric) -> np.ndarray:
        """The score of all samples together for each seed (S,)."""
        return self.scores(metric, np.zeros(len(self.true), np.int64), 1)[:, 0]


def stack_seeds(
    tables: Sequence["pd.DataFrame"], classes: Sequence[str] | None = None, where: str = "predictions"
) -> Predictions:
    """The predictions of the seeds of one run; rows may come in any order.

    Args:
        tables: one per seed, see `read.read_predictions`.
        classes: class names in their order; by default that of the columns.
        where: how error messages name the run.

    Raises:
        DataError: a table is not as predictions must be.
        ContractError: no table, or seeds that were not tested on the same samples.
    """
    if not tables:
        raise ContractError(f"{where}: got no predictions, expected those of at least one seed")
    checked: list[pd.DataFrame] = []
    for table in tables:
        # later seeds take the first one's order of classes
        names = class_names(checked[0]) if checked else list(classes) if classes is not None else None
        rows = check_predictions(table, where, names)
        checked.append(rows.sort_values(["fold", "sample_id"], kind="stable").reset_index(drop=True))
    first = checked[0]
    for seed, other in enumerate(checked[1:], start=1):
        check_same_samples(first, other, f"{where}: seeds 0 and {seed}")
    names = class_names(first)
    columns = [PREFIX + name for name in names]
    probabilities = np.stack([table[columns].to_numpy(np.float64) for table in checked])
    units, unit = units_of(first)
    return Predictions(
        classes=tuple(names),
        rows=first,
        true=first["label"].map({name: index for index, name in enumerate(names)}).to_numpy(np.int64),
        probabilities=probabilities,
        predicted=probabilities.argmax(axis=-1),
        units=units,
        unit=unit,
    )


def check_same_samples(left: "pd.DataFrame", right: "pd.DataFrame", where: str) -> None:
    """Refuse two tables (sorted by fold and id) that don't hold the same samples with the same labels and subjects.

    Raises:
        ContractError: they differ; the message names the first sample that does.
    """
    if list(left["sample_id"]) != list(right["sample_id"]):
        in_one_only = sorted(set(left["sample_id"]) ^ set(right["sample_id"]))
        if in_one_only:
            raise ContractError(
                f"{where}: sample {in_one_only[0]!r} is in one and not in the other; expected the same samples"
            )
        raise ContractError(f"{where}: the same samples are in other folds; expected the same folds")
    for column in ("label", "subject"):
        if column in left.columns and column in right.columns:
            differs = (left[column].fillna("") != right[column].fillna("")).to_numpy()
            if differs.any():
                row = int(differs.argmax())
                raise ContractError(
                    f"{where}: sample {left['sample_id'].iloc[row]!r} has the {column} {left[column].iloc[row]!r} "
                    f"in one and {right[column].iloc[row]!r} in the other"
                )


def units_of(rows: "pd.DataFrame") -> tuple[np.ndarray, str]:
    """The unit of resampling of each sample (N,), and what such a unit is.

    Samples of one subject are not independent. Where there are no subjects, exact and near duplicates (column `group`)
    go together, else each image is a unit.
    """
    units = rows["sample_id"].astype(str)
    unit = "image"
    if "group" in rows.columns and rows["group"].notna().any():
        duplicate_sets = rows["group"].where(rows["group"].notna(), units).astype(str)
        # without a single duplicate each image is a unit of its own
        if duplicate_sets.nunique() < units.nunique():
            units, unit = duplicate_sets, "duplicate set"
    if "subject" in rows.columns:
        known = rows["subject"].notna()
        units = rows["subject"].where(known, units).astype(str)
        if known.any():
            unit = "subject" if known.all() else f"subject or {unit}"
    return units.to_numpy(str), unit


def number_or_none(value: float) -> float | None:
    """A float as json takes it: NaN (undefined) is null."""
    return None if math.isnan(value) else float(value)
