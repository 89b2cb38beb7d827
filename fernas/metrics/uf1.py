"""UF1, unweighted F1: mean of 2 TP_c / (2 TP_c + FP_c + FN_c) over the classes that have samples (MEGC2019)."""

import numpy as np

from fernas.metrics._base import hits, mean_of_ratios


def _ratios(confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 2 * hits(confusions), confusions.sum(axis=-1) + confusions.sum(axis=-2)


PLUGIN = uf1 = mean_of_ratios("uf1", "UF1", 20, _ratios)
