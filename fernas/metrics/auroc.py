"""Macro AUROC: mean over classes of the area under the ROC curve of one class against the rest.

The area of class c is the chance that a random sample of c has a larger probability of c than a random sample of
another class, ties counted half (Mann-Whitney). With P samples of c, Q others and the ranks of all probabilities of c,
area_c = (sum of the ranks of the P samples - P (P + 1) / 2) / (P Q). Classes without samples, and a class that all
samples have, have no such area and are left out of the mean; NaN where none is left.
"""

import numpy as np

from fernas.metrics._base import Metric, mean_of_present, ratio


def _auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    from scipy.stats import rankdata

    # average ranks of tied probabilities count a tie between a sample of c and another one half
    is_class = labels[:, None] == np.arange(probabilities.shape[1])
    positives = is_class.sum(axis=0)  # (K,)
    ranks = (rankdata(probabilities, axis=0) * is_class).sum(axis=0)
    areas = ratio(ranks - positives * (positives + 1) / 2, positives * (len(labels) - positives))
    return float(mean_of_present(areas))


PLUGIN = Metric(name="auroc", title="AUROC", order=60, of_predictions=_auroc)
