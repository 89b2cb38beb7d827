"""The composite of MEGC2019: leave one subject out over CASME II, SMIC-HS and SAMM, three classes, scores pooled.

The published protocol has 68 subjects and 442 clips; a smaller (rendered) composite says how many of them it holds.
"""

from typing import TYPE_CHECKING, Any

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.protocols._base import Fold, Protocol
from fernas.protocols.counts import Counts
from fernas.protocols.loso import PLUGIN as LOSO

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("casme2", "samm", "smic")
CLASSES = ("negative", "positive", "surprise")
SUBJECTS, CLIPS = 68, 442


class Megc2019Config(Strict):
    """Options of `megc2019`: none."""


class Megc2019(Protocol):
    """Leave one subject out over the MEGC2019 composite."""

    name = "megc2019"
    title = "MEGC2019 composite, leave one subject out"
    needs_subjects = True
    fold_per_subject = True
    Config = Megc2019Config

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """One fold per subject of the three datasets."""
        self.options(options)
        for column, expected in (("dataset", PARTS), ("label", CLASSES)):
            values = sorted(set(table[column]))
            # another set of datasets or classes would carry the name of the challenge without being comparable
            if values != sorted(expected):
                raise DataError(
                    f"protocol {self.name}: {column}: got {', '.join(values)}; expected {', '.join(expected)}"
                )
        return LOSO.split(table, {}, seed)

    def count_folds(self, options: Any, counts: Counts) -> int:
        """One per subject of the three datasets."""
        return LOSO.count_folds({}, counts)

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """Says how many of the 68 subjects and 442 clips there are."""
        subjects, clips = table["subject"].nunique(), len(table)
        return f"{self.title}, {subjects} of {SUBJECTS} subjects, {clips} of {CLIPS} clips"


PLUGIN = Megc2019()
