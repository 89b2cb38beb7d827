"""Scores of predictions: accuracy, unweighted F1 (UF1), unweighted average recall (UAR), per class, confusion.

One file per score: `PLUGIN` is a `Metric`, a mean of ratios of a confusion matrix; scoring, intervals and tables use
all of them. Layer: metrics. Depends on: core.
"""

from fernas.metrics._base import Metric, confusion, per_class_recall
from fernas.metrics.accuracy import accuracy
from fernas.metrics.uar import uar
from fernas.metrics.uf1 import uf1

__all__ = ["Metric", "accuracy", "confusion", "per_class_recall", "uar", "uf1"]
