"""Copies of a network during training: what choosing the epoch on the test split would give, as a labelled replica.

A training with `oracle_every` stores copies without having seen a test sample. The rule `predict` runs all of them and
stores, per fold, the predictions of the one with the highest UAR on the test split. They have columns of their own
(`oracle`, `oracle_epoch`) and end in `oracle_uar` of the tables, because published code that keeps `best_test` weights
reports such numbers. Nothing else reads them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CLASS_COLUMN, EPOCH_COLUMN = "oracle", "oracle_epoch"  # of predictions.parquet
CHOSEN = -1  # in place of an epoch: the model that inner validation chose


def best_on_test(
    classes: list[str], labels: "np.ndarray", probabilities: "dict[int, np.ndarray]"
) -> tuple[list[str], int]:
    """The predicted classes of the model with the highest UAR on these test samples, and its epoch; ties: the first.

    Args:
        classes: class names.
        labels: true labels of the test samples, int (N,).
        probabilities: epoch (`CHOSEN` for the model that counts) -> float (N, K).
    """
    from fernas.metrics import uar

    scores = {epoch: float(uar(labels, p.argmax(1), len(classes))) for epoch, p in probabilities.items()}
    best = max(scores, key=lambda epoch: scores[epoch])
    return [classes[k] for k in probabilities[best].argmax(1)], best
