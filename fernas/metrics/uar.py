"""UAR, unweighted average recall: mean over classes of TP_c / N_c, over the classes that have samples (MEGC2019)."""

import numpy as np

from fernas.metrics._base import Metric, mean_of_present, recalls


def _of(confusions: np.ndarray) -> np.ndarray:
    return mean_of_present(recalls(confusions))


PLUGIN = uar = Metric(name="uar", title="UAR", of=_of)
