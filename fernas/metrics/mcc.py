"""Matthews correlation coefficient for several classes: R_K of Gorodkin (2004).

With n_ij samples of class i predicted as j, row sums r_i and column sums c_i, and N samples in all:
R_K = (N sum_i n_ii - sum_i r_i c_i) / sqrt((N^2 - sum_i r_i^2) (N^2 - sum_i c_i^2)).
A constant prediction has 0, its limit. It is undefined (NaN) where the labels are all of one class.
"""

import numpy as np

from fernas.metrics._base import Metric, hits, ratio


def _mcc(confusions: np.ndarray) -> np.ndarray:
    # float64, since the product of two squares of N overflows int64 from N = 55,000 on
    rows, columns = confusions.sum(axis=-1, dtype=np.float64), confusions.sum(axis=-2, dtype=np.float64)
    total = rows.sum(axis=-1)
    labels, predictions = (total**2 - (sums**2).sum(axis=-1) for sums in (rows, columns))
    covariance = total * hits(confusions).sum(axis=-1) - (rows * columns).sum(axis=-1)
    return np.where((predictions == 0) & (labels > 0), 0.0, ratio(covariance, np.sqrt(labels * predictions)))


PLUGIN = Metric(name="mcc", title="MCC", order=50, lowest=-1.0, of_confusion=_mcc)
