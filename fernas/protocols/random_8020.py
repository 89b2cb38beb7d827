"""Replica: random splits of the images, 80 % for training, ignoring subjects (RADAP's person-dependent scheme)."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.core.seeds import derive_seed
from fernas.protocols._base import Fold, Protocol, checked
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class Random8020Config(Strict):
    """Options of `random_8020`."""

    repeats: int = Field(5, ge=1, description="number of random splits, which are averaged")
    test_share: float = Field(0.2, gt=0, lt=1, description="share of the test split")


class Random8020(Protocol):
    """Random splits of images, class-stratified."""

    name = "random_8020"
    title = "random 80:20 splits of images (replica)"
    replica = True
    tests_once = False
    published = (
        "replica of a published scheme: random 80:20 splits of the images, so the same person, often the same "
        "sequence, is in training and in test; optimistic by construction"
    )
    Config = Random8020Config

    def is_stratified(self, options: Any) -> bool:
        """As published."""
        return True

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """`repeats` independent splits of the samples, stratified by class."""
        import numpy as np
        from sklearn.model_selection import StratifiedShuffleSplit

        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        labels, names = rows["label"].to_numpy(str), rows["sample_id"].to_numpy(str)
        classes, counts = np.unique(labels, return_counts=True)
        # scikit-learn's own message does not name the class
        if counts.min() < 2:
            raise DataError(
                f"{where}: the class {str(classes[counts.argmin()])!r} has one sample, expected at least two"
            )
        splitter = StratifiedShuffleSplit(
            n_splits=config.repeats, test_size=config.test_share, random_state=derive_seed(seed, self.name)
        )
        try:
            splits = list(splitter.split(labels, labels))
        except ValueError as error:
            raise DataError(f"{where}: {len(rows)} samples of {len(classes)} classes: {error}") from error
        return [
            Fold(f"random{k}", tuple(names[np.sort(train)].tolist()), tuple(names[np.sort(test)].tolist()))
            for k, (train, test) in enumerate(splits)
        ]

    def count_folds(self, options: Any, counts: Counts) -> int:
        """As many as there are repeats."""
        return int(self.options(options).repeats)

    def train_share(self, options: Any, counts: Counts) -> float:
        """All but the test share."""
        return 1 - float(self.options(options).test_share)


PLUGIN = Random8020()
