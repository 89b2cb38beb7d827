"""Metrics of predictions: accuracy, UF1, UAR, kappa, MCC, AUROC; the confusion matrix and per-class recall.

One file per metric. Its `PLUGIN` is a `Metric`: a function of the confusion matrix, or of labels and probabilities.
Scores, confidence intervals, tables, the report and the MLflow mirror loop over `all_metrics()`, so that the file alone
adds a metric everywhere. Layer: metrics. Depends on: core.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from fernas.core import plugins
from fernas.metrics._base import Metric, Ratios, confusion, mean_of_ratios, per_class_recall, present_ratios
from fernas.metrics.accuracy import accuracy
from fernas.metrics.uar import uar
from fernas.metrics.uf1 import uf1

__all__ = [
    "HEADLINE", "Metric", "Ratios", "accuracy", "all_metrics", "confusion", "confusion_scores", "mean_of_ratios",
    "per_class_recall", "present_ratios", "uar", "uf1",
]  # fmt: skip

HEADLINE = "uar"
"""The metric that selects epochs and genotypes, sorts the tables, and is tested for significance."""


def all_metrics() -> tuple[Metric, ...]:
    """All metrics in the order of the tables; they are discovered by file name."""
    metrics = [plugins.load("metrics", name) for name in plugins.available("metrics")]
    return tuple(sorted(metrics, key=lambda metric: (metric.order, metric.name)))


def confusion_scores(y_true: ArrayLike, y_pred: ArrayLike, n_classes: int) -> dict[str, float]:
    """Name -> value of every metric of the confusion matrix of class indices (N,); undefined ones are left out."""
    matrix = confusion(y_true, y_pred, n_classes).astype(np.float64)
    values = {metric.name: float(metric.of_confusion(matrix)) for metric in all_metrics() if metric.of_confusion}
    return {name: value for name, value in values.items() if not math.isnan(value)}
