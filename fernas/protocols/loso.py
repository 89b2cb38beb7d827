"""Leave one subject out: one fold per subject."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.protocols._base import Fold, Protocol, checked, folds_by_unit, naturally, need_subjects
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd


class LosoConfig(Strict):
    """Options of `loso`."""

    subjects: int | None = Field(None, ge=2, description="number of subjects of the published protocol, for the tables")
    exact: bool = Field(False, description="refuse any other number of subjects")


class Loso(Protocol):
    """Leave one subject out."""

    name = "loso"
    title = "leave one subject out"
    needs_subjects = True
    fold_per_subject = True
    Config = LosoConfig

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold per subject, in the natural order of the subjects."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        need_subjects(rows, where)
        subjects = naturally(rows["unit"])
        if len(subjects) < 2:
            raise DataError(f"{where}: got one subject ({subjects[0]!r}), expected at least two")
        if config.exact and config.subjects not in (None, len(subjects)):
            raise DataError(f"{where}: got {len(subjects)} subjects, expected {config.subjects}")
        return folds_by_unit(rows, {subject: k for k, subject in enumerate(subjects)}, subjects)

    def count_folds(self, options: Any, counts: Counts) -> int:
        """One per subject."""
        return counts.units

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Says how many subjects of how many."""
        count, published = table["subject"].nunique(), self.options(options).subjects
        return f"{self.title}, {count}{f' of {published}' if published else ''} subjects"


PLUGIN = Loso()
