"""UAR, unweighted average recall: mean over classes of TP_c / N_c, over the classes that have samples (MEGC2019)."""

import numpy as np

from fernas.metrics._base import hits, mean_of_ratios


def _ratios(confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return hits(confusions), confusions.sum(axis=-1)


PLUGIN = uar = mean_of_ratios("uar", "UAR", 30, _ratios)
