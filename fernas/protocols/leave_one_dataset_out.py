"""Leave one dataset out: one fold per dataset of a composite, trained on all others."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fernas.core.config import Strict
from fernas.core.errors import ConfigError, DataError
from fernas.protocols._base import Fold, Protocol, checked, common_classes, ids, naturally, refuse_same_people
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class LeaveOneDatasetOutConfig(Strict):
    """Options of `leave_one_dataset_out`: none."""


class LeaveOneDatasetOut(Protocol):
    """Leave one dataset out."""

    name = "leave_one_dataset_out"
    title = "leave one dataset out"
    Config = LeaveOneDatasetOutConfig

    def check_datasets(
        self, datasets: Sequence[str], same_people: Mapping[str, Sequence[str]], options: Any, where: str
    ) -> None:
        """A task of one dataset leaves none to train on."""
        if len(datasets) < 2:
            raise ConfigError(f"{where}: {self.name} got one dataset ({datasets[0]}), expected at least two")
        super().check_datasets(datasets, same_people, options, where)

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold per dataset, with the classes that its own samples and the others have in common."""
        self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        datasets = naturally(rows["dataset"])
        if len(datasets) < 2:
            raise DataError(f"{where}: got one dataset ({datasets[0]}), expected at least two")
        folds = []
        for dataset in datasets:
            others = [other for other in datasets if other != dataset]
            refuse_same_people(rows, others, [dataset], where)
            train, test = rows[rows["dataset"] != dataset], rows[rows["dataset"] == dataset]
            # datasets name different classes: one that only one split has can be neither learnt nor tested
            shared = common_classes(train, test, f"{where}: fold {dataset}")
            folds.append(Fold(dataset, ids(train[train["label"].isin(shared)]), ids(test[test["label"].isin(shared)])))
        return folds

    def count_folds(self, options: Any, counts: Counts) -> int:
        """One per dataset."""
        return len(counts.datasets)

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Names the datasets."""
        return f"{self.title}: {', '.join(naturally(table['dataset']))}"


PLUGIN = LeaveOneDatasetOut()
