"""Train on some datasets, test on others, with the classes that both sides have; one fold."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import ConfigError, DataError, did_you_mean, unknown
from fernas.protocols._base import Fold, Protocol, checked, common_classes, ids, naturally, refuse_same_people

if TYPE_CHECKING:
    import pandas as pd


class CrossDatasetConfig(Strict):
    """Options of `cross_dataset`."""

    train: tuple[str, ...] = Field(min_length=1, description="datasets of the training side")
    test: tuple[str, ...] = Field(min_length=1, description="datasets of the test side")


class CrossDataset(Protocol):
    """Train on some datasets, test on others."""

    name = "cross_dataset"
    title = "cross-dataset"
    Config = CrossDatasetConfig

    def check_datasets(
        self, datasets: Sequence[str], same_people: Mapping[str, Sequence[str]], options: Any, where: str
    ) -> None:
        """The sides must be datasets of the task, none on both sides, none with people of the other side."""
        config = self.options(options)
        for dataset in (*config.train, *config.test):
            if dataset not in datasets:
                raise unknown(f"{where}: protocol {self.name}", dataset, datasets)
        for tested in config.test:
            if tested in config.train:
                raise ConfigError(f"{where}: protocol {self.name}: {tested} stands on both sides, train and test")
            for trained in config.train:
                if trained in same_people.get(tested, ()):
                    raise ConfigError(
                        f"{where}: {trained} and {tested} show the same people, so they cannot stand on two sides; "
                        f"expected datasets of different people"
                    )

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold; samples of classes that one side lacks stand on no side."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        known = naturally(rows["dataset"])
        for dataset in (*config.train, *config.test):
            if dataset not in known:
                raise DataError(
                    f"{where}: the samples hold no dataset {dataset!r}{did_you_mean(dataset, known)}; got {known}"
                )
        both = sorted(set(config.train) & set(config.test))
        if both:
            raise ConfigError(f"{where}: options: {both[0]} stands on both sides, train and test")
        refuse_same_people(rows, config.train, config.test, where)
        train, test = rows[rows["dataset"].isin(config.train)], rows[rows["dataset"].isin(config.test)]
        shared = common_classes(train, test, where)
        name = f"{'+'.join(config.train)}-to-{'+'.join(config.test)}"
        return [Fold(name, ids(train[train["label"].isin(shared)]), ids(test[test["label"].isin(shared)]))]

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Says from where to where, and which classes are left out."""
        config = self.options(options)
        sides = [set(table.loc[table["dataset"].isin(side), "label"]) for side in (config.train, config.test)]
        left_out = sorted(sides[0] ^ sides[1])
        text = f"trained on {', '.join(config.train)}, tested on {', '.join(config.test)}"
        return f"{text}, without {', '.join(left_out)} (on one side only)" if left_out else text


PLUGIN = CrossDataset()
