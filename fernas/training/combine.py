"""Ensembles from stored predictions: softmax of the mean log-probability, which equals the mean of the logits."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fernas.core.errors import ContractError
from fernas.core.io import read_parquet, write_bytes, write_parquet
from fernas.core.run_log import read_status
from fernas.training.oracle import CLASS_COLUMN, EPOCH_COLUMN

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
TINY = 1e-300  # a probability of zero has no logarithm


def combine_predictions(frames: "list[pd.DataFrame]") -> "pd.DataFrame":
    """One frame of predictions out of several over the same samples and folds.

    p_c = softmax_c(mean over members of ln p_c). With p = softmax(z) of each member this is softmax(mean z): the
    members' normalisers are the same for all classes and cancel.

    Raises:
        ContractError: no member, or members that differ in samples, folds, labels or classes.
    """
    if not frames:
        raise ContractError("combine: no member")
    first = frames[0].sort_values(["fold", "sample_id"], ignore_index=True)
    classes = [name for name in first.columns if name.startswith("p_")]
    total = np.zeros((len(first), len(classes)))
    for number, frame in enumerate(frames):
        other = frame.sort_values(["fold", "sample_id"], ignore_index=True)
        if [name for name in other.columns if name.startswith("p_")] != classes:
            raise ContractError(f"combine: member {number} has other classes than member 0")
        for key in ("sample_id", "fold", "label"):
            if len(other) != len(first) or not (other[key].to_numpy() == first[key].to_numpy()).all():
                raise ContractError(f"combine: member {number} differs from member 0 in {key}")
        total += np.log(np.maximum(other[classes].to_numpy(np.float64), TINY))
    mean = total / len(frames)
    mean -= mean.max(1, keepdims=True)  # changes no quotient, and exp cannot overflow
    # `oracle` is a choice on the test split for one training; an ensemble has none.
    out = first.drop(columns=[CLASS_COLUMN, EPOCH_COLUMN], errors="ignore")
    out[classes] = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    return out


def run_combine(predictions: list[Path], folders: list[Path], out: Path) -> str:
    """Write the ensemble of stored predictions; an empty file when the run in one of `folders` failed.

    Returns:
        ok or failed.
    """
    for folder in folders:
        status = read_status(folder)
        if status["status"] != "ok":
            logger.error("no ensemble: %s: %s", folder, status["reason"])
            write_bytes(out, b"")
            return "failed"
    write_parquet(out, combine_predictions([read_parquet(path) for path in predictions]))
    return "ok"
