"""Train on some datasets, test on others, with the classes that both splits have; one fold."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import ConfigError, DataError, did_you_mean, unknown
from fernas.protocols._base import (
    Fold,
    Protocol,
    checked,
    common_classes,
    ids,
    naturally,
    refuse_same_people,
    shared_subjects,
)
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class CrossDatasetConfig(Strict):
    """Options of `cross_dataset`."""

    train: tuple[str, ...] = Field(min_length=1, description="datasets of the train split")
    test: tuple[str, ...] = Field(min_length=1, description="datasets of the test split")


class CrossDataset(Protocol):
    """Train on some datasets, test on others."""

    name = "cross_dataset"
    title = "cross-dataset"
    Config = CrossDatasetConfig

    def check_datasets(
        self, datasets: Sequence[str], same_people: Mapping[str, Sequence[str]], options: Any, where: str
    ) -> None:
        """Datasets of the task make up both splits: none is in both, none shares subjects with the other split."""
        config = self.options(options)
        for dataset in (*config.train, *config.test):
            if dataset not in datasets:
                raise unknown(f"{where}: protocol {self.name}", dataset, datasets)
        for tested in config.test:
            if tested in config.train:
                raise ConfigError(f"{where}: {self.name}: {tested} is in the train split and in the test split")
            for trained in config.train:
                if trained in same_people.get(tested, ()):
                    raise ConfigError(shared_subjects(where, trained, tested))

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold; samples of classes that one split lacks are left out."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        # checked again, since no sample of a dataset may have been usable
        known = naturally(rows["dataset"])
        for dataset in (*config.train, *config.test):
            if dataset not in known:
                raise DataError(
                    f"{where}: the samples hold no dataset {dataset!r}{did_you_mean(dataset, known)}; got {known}"
                )
        both = sorted(set(config.train) & set(config.test))
        if both:
            raise ConfigError(f"{where}: options: {both[0]} is in the train split and in the test split")
        refuse_same_people(rows, config.train, config.test, where)
        train, test = rows[rows["dataset"].isin(config.train)], rows[rows["dataset"].isin(config.test)]
        # A class that only one split has can be neither learnt nor tested.
        shared = common_classes(train, test, where)
        name = f"{'+'.join(config.train)}-to-{'+'.join(config.test)}"
        return [Fold(name, ids(train[train["label"].isin(shared)]), ids(test[test["label"].isin(shared)]))]

    def count_folds(self, options: Any, counts: Counts) -> int:
        """One."""
        return 1

    def train_share(self, options: Any, counts: Counts) -> float:
        """The samples of the datasets to train on."""
        trained = sum(counts.datasets.get(name, 0) for name in self.options(options).train)
        return trained / sum(counts.datasets.values())

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Says from where to where, and which classes are left out."""
        config = self.options(options)
        trained, tested = (set(table.loc[table["dataset"].isin(s), "label"]) for s in (config.train, config.test))
        left_out = sorted(trained ^ tested)
        text = f"trained on {', '.join(config.train)}, tested on {', '.join(config.test)}"
        return f"{text}, without {', '.join(left_out)} (in one split only)" if left_out else text


PLUGIN = CrossDataset()
