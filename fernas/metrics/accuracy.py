"""Accuracy: the share of samples that are classified right."""

import numpy as np

from fernas.metrics._base import hits, mean_of_ratios


def _ratios(confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # one ratio instead of one per class: a last axis of length one
    return hits(confusions).sum(axis=-1, keepdims=True), confusions.sum(axis=(-2, -1))[..., None]


PLUGIN = accuracy = mean_of_ratios("accuracy", "accuracy", 10, _ratios)
