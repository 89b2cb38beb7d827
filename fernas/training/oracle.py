"""Copies of a network during training: what choosing the epoch on the test side would give, as a labelled replica.

Training keeps them without having seen a test sample; the rule `predict` answers with each of them and keeps, per fold,
the answers of the one that the test side likes best. They stand in columns of their own (`oracle`, `oracle_epoch`) of
the predictions and end in `oracle_uar` of the tables: published code that keeps `best_test` weights reports such
numbers. Nothing else reads them.
"""

from pydantic import Field

from fernas.learn.config import FitConfig

ANSWER, EPOCH = "oracle", "oracle_epoch"
CHOSEN = -1  # in place of an epoch: the model that inner validation chose


class OracleOptions(FitConfig):
    """What every recipe has beside the options of `fit`."""

    oracle_every: int | None = Field(
        default=None,
        ge=1,
        description="keep the weights after every so many epochs, so that the tables show what the best of them on the "
        "test side reaches (`oracle_uar`, a replica of published code); null: none",
    )
