"""The dataset's own split: train and test as published (FER2013, RAF-DB); one fold."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.protocols._base import Fold, Protocol, checked, ids, naturally
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class OfficialConfig(Strict):
    """Options of `official`: values of the column `split`."""

    train: tuple[str, ...] = Field(("Training", "train"), min_length=1, description="names of the train split")
    test: tuple[str, ...] = Field(("PrivateTest", "test"), min_length=1, description="names of the test split")
    inner_validation: tuple[str, ...] = Field(
        ("PublicTest", "validation", "val"),
        description="names of the inner validation; []: a part of the train split, by subject or sequence",
    )
    unused: tuple[str, ...] = Field((), description="names that are left out")


class Official(Protocol):
    """The published split."""

    name = "official"
    title = "official split"
    Config = OfficialConfig

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold by the column `split`."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        if "split" not in rows.columns or rows["split"].isna().all():
            raise DataError(
                f"{where}: the samples have no official split (column split is empty); use another protocol"
            )
        without = rows.loc[rows["split"].isna(), "sample_id"]
        if len(without):
            raise DataError(f"{where}: {len(without)} samples have no split, first {without.iloc[0]!r}")
        names_of = {"train": config.train, "inner_validation": config.inner_validation, "test": config.test}
        stated = [name for names in (*names_of.values(), config.unused) for name in names]
        twice = sorted({name for name in stated if stated.count(name) > 1})
        if twice:
            raise DataError(f"{where}: the options name {twice[0]!r} twice")
        unknown = [name for name in naturally(rows["split"]) if name not in stated]
        if unknown:
            raise DataError(f"{where}: the options do not name the split {unknown[0]!r}; got {', '.join(stated)}")
        split = {key: ids(rows[rows["split"].isin(names)]) for key, names in names_of.items()}
        for key in ("train", "test"):
            if not split[key]:
                raise DataError(f"{where}: no sample has the split {' or '.join(names_of[key])}, so no {key} split")
        inner = split["inner_validation"] or None
        # the train split holds its inner validation, as every `Fold` does; the part splitter takes it apart again
        return [Fold("official", split["train"] + (inner or ()), split["test"], inner)]

    def count_folds(self, options: Any, counts: Counts) -> int:
        """One."""
        return 1

    def train_share(self, options: Any, counts: Counts) -> float:
        """The samples of the train split and of the inner validation."""
        config = self.options(options)
        if not counts.splits:
            return 0.8  # what most published splits are near to
        return sum(counts.splits.get(name, 0) for name in (*config.train, *config.inner_validation)) / sum(
            counts.splits.values()
        )


PLUGIN = Official()
