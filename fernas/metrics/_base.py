"""The confusion matrix, and what a score is: a mean of ratios of its counts.

Rule for classes without samples: a class that no label has is left out of every mean over classes (there is no recall
of it, and its F1 would be a number about other classes); predictions of it still count as misses of the true class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fernas.core.errors import DataError


@dataclass(frozen=True)
class Metric:
    """A score in [0, 1]: the mean over classes (or one) of a ratio of counts.

    Attributes:
        name: key in scores.json and column of the tables.
        title: what tables and figures print.
        ratios: confusion matrices float64 (..., K, K), rows true classes -> numerators and denominators, (..., K) with
            one ratio per class or (..., 1). Both must be linear in the matrix: intervals rest on that.
    """

    name: str
    title: str
    ratios: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

    def of(self, confusions: np.ndarray) -> np.ndarray:
        """Confusion matrices (..., K, K) -> scores (...), over the classes that have samples; NaN without samples."""
        matrices = np.asarray(confusions, dtype=np.float64)
        return mean_of_present(ratio(*self.present(matrices)))

    def present(self, confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`ratios` with the denominators of classes without samples set to zero."""
        numerators, denominators = self.ratios(confusions)
        if denominators.shape[-1] > 1:
            denominators = np.where(confusions.sum(axis=-1) > 0, denominators, 0)
        return numerators, denominators

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, n_classes: int | None = None) -> float:
        """The score of class indices (N,) against class indices (N,)."""
        return float(self.of(confusion(y_true, y_pred, n_classes)))


def confusion(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int | None = None) -> np.ndarray:
    """The confusion matrix int64 (K, K) of class indices (N,): rows are true classes, columns predicted ones.

    Without `n_classes`, K is the largest index of either side plus one.

    Raises:
        DataError: no samples, different lengths, or a class index outside 0 .. n_classes - 1.
    """
    true, predicted = _indices("y_true", y_true, n_classes), _indices("y_pred", y_pred, n_classes)
    if len(true) != len(predicted):
        raise DataError(f"scores: got {len(true)} labels and {len(predicted)} predictions, expected as many of both")
    size = n_classes if n_classes is not None else int(max(true.max(), predicted.max())) + 1
    return np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)


def _indices(name: str, values: ArrayLike, n_classes: int | None) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 1 or not len(found):
        raise DataError(f"scores: {name} has shape {found.shape}, expected at least one sample, (N,)")
    if not np.issubdtype(found.dtype, np.integer):
        raise DataError(f"scores: {name} holds {found.dtype}, expected class indices (integers)")
    if found.min() < 0 or (n_classes is not None and found.max() >= n_classes):
        expected = "0 and up" if n_classes is None else f"0 .. {n_classes - 1}"
        raise DataError(f"scores: {name} holds {found.min()} .. {found.max()}, expected {expected}")
    return found.astype(np.int64)


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
    empty = np.asarray(denominator) == 0
    return np.where(empty, np.nan, np.asarray(numerator) / np.where(empty, 1, denominator))
