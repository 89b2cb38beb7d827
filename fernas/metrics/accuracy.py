"""Accuracy: the share of samples that are classified right."""

import numpy as np

from fernas.metrics._base import Metric, ratio


def _of(confusions: np.ndarray) -> np.ndarray:
    matrices = np.asarray(confusions, dtype=np.float64)
    return ratio(np.trace(matrices, axis1=-2, axis2=-1), matrices.sum(axis=(-2, -1)))


PLUGIN = accuracy = Metric(name="accuracy", title="accuracy", of=_of)
