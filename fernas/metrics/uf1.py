"""UF1, unweighted F1: mean of 2 TP_c / (2 TP_c + FP_c + FN_c) over the classes that have samples (MEGC2019)."""

import numpy as np

from fernas.metrics._base import Metric, f1_scores, mean_of_present


def _of(confusions: np.ndarray) -> np.ndarray:
    return mean_of_present(f1_scores(confusions))


PLUGIN = uf1 = Metric(name="uf1", title="UF1", of=_of)
