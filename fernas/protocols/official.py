"""The dataset's own split: train and test as published (FER2013, RAF-DB); one fold."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.protocols._base import Fold, Protocol, checked, ids, naturally

if TYPE_CHECKING:
    import pandas as pd


class OfficialConfig(Strict):
    """Options of `official`: names found in the column `split`."""

    train: tuple[str, ...] = Field(("Training", "train"), min_length=1, description="splits of the training side")
    test: tuple[str, ...] = Field(("PrivateTest", "test"), min_length=1, description="splits of the test side")
    inner_validation: tuple[str, ...] = Field(
        ("PublicTest", "validation", "val"),
        description="splits that serve as inner validation; []: a part of the training side, by subject or group",
    )
    unused: tuple[str, ...] = Field((), description="splits that stand on no side")


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
        sides = {"train": config.train, "inner_validation": config.inner_validation, "test": config.test}
        stated = [name for names in (*sides.values(), config.unused) for name in names]
        twice = sorted({name for name in stated if stated.count(name) > 1})
        if twice:
            raise DataError(f"{where}: the split {twice[0]!r} stands on two sides of the options")
        unknown = [name for name in naturally(rows["split"]) if name not in stated]
        if unknown:
            raise DataError(f"{where}: no side for the split {unknown[0]!r}; options name {', '.join(stated)}")
        part = {side: ids(rows[rows["split"].isin(names)]) for side, names in sides.items()}
        for side in ("train", "test"):
            if not part[side]:
                raise DataError(f"{where}: no sample of the splits {', '.join(sides[side])}, so no {side} side")
        inner = part["inner_validation"] or None
        return [Fold("official", part["train"] + (inner or ()), part["test"], inner)]


PLUGIN = Official()
