"""Cohen's kappa: agreement beyond that of guesses with the same class frequencies (Cohen 1960).

With n_ij samples of class i predicted as j, row sums r_i and column sums c_i, and N samples in all:
kappa = (p_o - p_e) / (1 - p_e) = (N sum_i n_ii - sum_i r_i c_i) / (N^2 - sum_i r_i c_i).
A constant prediction has 0. It is undefined (NaN) where labels and predictions are all of one and the same class.
"""

import numpy as np

from fernas.metrics._base import Metric, hits, ratio


def _kappa(confusions: np.ndarray) -> np.ndarray:
    total = confusions.sum(axis=(-2, -1))
    expected = (confusions.sum(axis=-1) * confusions.sum(axis=-2)).sum(axis=-1)
    return ratio(total * hits(confusions).sum(axis=-1) - expected, total**2 - expected)


PLUGIN = Metric(name="kappa", title="kappa", order=40, lowest=-1.0, of_confusion=_kappa)
