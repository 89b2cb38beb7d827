"""The confusion matrix, and what a metric is.

Classes without samples are left out of every mean over classes: there is no recall of such a class, and its F1 would
be a number about other classes. Predictions of it still count as misses of the true class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fernas.core.errors import DataError

Ratios = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score of predictions, at most 1 (all are right). Exactly one of the two functions is given.

    Attributes:
        name: key in scores.json and column of the tables.
        title: what tables and figures print.
        order: place among the columns of the tables, smallest first.
        lowest: the smallest value that it can take: 0 or -1.
        of_confusion: confusion matrices float64 (..., K, K), rows true classes -> scores (...), NaN where undefined.
            A smooth function that does not change when all counts are multiplied by one number: the confidence
            interval of `scoring.intervals` differentiates it.
        of_predictions: class indices int64 (N,) and probabilities float64 (N, K) -> score, NaN where undefined. Such a
            metric has no confidence interval (null in scores.json), since the bootstrap resamples counts.
        ratios: of a mean of ratios alone (`mean_of_ratios`): confusion matrices -> numerators and denominators,
            of all classes.
    """

    name: str
    title: str
    order: int = 1000
    lowest: float = 0.0
    of_confusion: Callable[[np.ndarray], np.ndarray] | None = None
    of_predictions: Callable[[np.ndarray, np.ndarray], float] | None = None
    ratios: Ratios | None = None

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, n_classes: int | None = None) -> float:
        """The score of class indices (N,) against class indices (N,); a TypeError where it needs probabilities."""
        if self.of_confusion is None:
            raise TypeError(f"{self.name} needs probabilities: call of_predictions")
        return float(self.of_confusion(confusion(y_true, y_pred, n_classes).astype(np.float64)))


def mean_of_ratios(name: str, title: str, order: int, ratios: Ratios) -> Metric:
    """The metric mean_c a_c / b_c over the classes c that have samples, with a and b linear in the confusion matrix.

    Args:
        name: key in scores.json.
        title: what tables and figures print.
        order: place among the columns of the tables.
        ratios: matrices (..., K, K) -> numerators a and denominators b, both (..., K), or (..., 1) for a single ratio.
    """

    def of_confusion(confusions: np.ndarray) -> np.ndarray:
        return mean_of_present(ratio(*present_ratios(ratios, confusions)))

    return Metric(name=name, title=title, order=order, of_confusion=of_confusion, ratios=ratios)


def present_ratios(ratios: Ratios, confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators (..., K); the denominators of classes without samples are zero."""
    numerators, denominators = ratios(confusions)
    # a single ratio is over all classes: none of them can be left out
    if denominators.shape[-1] > 1:
        denominators = np.where(confusions.sum(axis=-1) > 0, denominators, 0)
    return numerators, denominators


def confusion(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int | None = None) -> np.ndarray:
    """The confusion matrix int64 (K, K) of class indices (N,): rows are true classes, columns predicted ones.

    Without `n_classes`, K is the largest index of both plus one.

    Raises:
        DataError: no samples, different lengths, or a class index outside 0 .. n_classes - 1.
    """
    true, predicted = _indices("y_true", y_true, n_classes), _indices("y_pred", y_pred, n_classes)
    if len(true) != len(predicted):
        raise DataError(f"scores: got {len(true)} labels and {len(predicted)} predictions, expected as many of both")
    size = n_classes if n_classes is not None else int(max(true.max(), predicted.max())) + 1
    # the index of a cell in the flattened matrix is that of its row times K plus that of its column
    return np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)


def _indices(name: str, values: ArrayLike, n_classes: int | None) -> np.ndarray:
    indices = np.asarray(values)
    if indices.ndim != 1 or not len(indices):
        raise DataError(f"scores: {name} has shape {indices.shape}, expected at least one sample, (N,)")
    if not np.issubdtype(indices.dtype, np.integer):
        raise DataError(f"scores: {name} holds {indices.dtype}, expected class indices (integers)")
    if indices.min() < 0 or (n_classes is not None and indices.max() >= n_classes):
        expected = "0 and up" if n_classes is None else f"0 .. {n_classes - 1}"
        raise DataError(f"scores: {name} holds {indices.min()} .. {indices.max()}, expected {expected}")
    return indices.astype(np.int64)


def per_class_recall(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int | None = None) -> np.ndarray:
    """Recall of each class, float64 (K,); NaN for a class without samples."""
    matrix = confusion(y_true, y_pred, n_classes)
    return ratio(hits(matrix), matrix.sum(axis=-1))


def hits(confusions: np.ndarray) -> np.ndarray:
    """Confusions (..., K, K) -> TP_c (..., K)."""
    return np.diagonal(confusions, axis1=-2, axis2=-1)


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis without its NaNs; NaN where all are NaN."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element-wise quotient; NaN where the denominator is zero."""
    empty = np.asarray(denominator) == 0  # replaced by one, so that numpy does not warn
    return np.where(empty, np.nan, np.asarray(numerator) / np.where(empty, 1, denominator))
