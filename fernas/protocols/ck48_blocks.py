"""Replica: Auto-FERNet's folds of CK48, consecutive blocks of images by position, 8 or 10 folds.

Images are ordered class by class, as in the published file. Fold k tests, for each class, the k-th block of n_c
images counted from the start of the class; the last fold tests the last n_c. For ten folds of the 981 images the
published code states n_c = 12, 18, 9, 21, 9, 24, 6; its ninth block of fear runs over into happiness, and so does ours.
For eight folds and for smaller datasets n_c is not published: we take whole sequences of three images, as many as fit
`folds` times into the class, at least one (a class of fewer sequences than folds starts again from its first).
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.protocols._base import Fold, Protocol, checked
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_COUNTS = (135, 177, 75, 207, 84, 249, 54)
PUBLISHED_SIZES = (12, 18, 9, 21, 9, 24, 6)
SEQUENCE = 3


class Ck48BlocksConfig(Strict):
    """Options of `ck48_blocks`."""

    folds: Literal[8, 10] = Field(10, description="number of folds")
    order: tuple[str, ...] = Field(
        ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt"),
        description="classes in the order of the published file",
    )


class Ck48Blocks(Protocol):
    """Consecutive blocks of images, class by class."""

    name = "ck48_blocks"
    title = "consecutive blocks of images (replica)"
    replica = True
    tests_once = False
    published = (
        "replica of Auto-FERNet's split: consecutive blocks of images, so a person's other expressions are in "
        "training; not every image is tested; optimistic by construction"
    )
    Config = Ck48BlocksConfig

    def is_stratified(self, options: Any) -> bool:
        """As published."""
        return True

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """The folds by position; `seed` changes nothing."""
        config = self.options(options)
        where = f"protocol {self.name}"
        rows = checked(table, where)
        unknown = sorted(set(rows["label"]) - set(config.order))
        if unknown:
            raise DataError(f"{where}: the class {unknown[0]!r} is not in the order {', '.join(config.order)}")
        # in the natural order of the ids, which for the HDF5 are its row numbers
        blocks = [rows.loc[rows["label"] == label, "sample_id"].tolist() for label in config.order]
        blocks = [block for block in blocks if block]
        counts = tuple(len(block) for block in blocks)
        ordered = [sample for block in blocks for sample in block]
        folds = []
        for k in range(config.folds):
            tested = _tested_positions(k, config.folds, counts)
            test = tuple(sample for position, sample in enumerate(ordered) if position in tested)
            train = tuple(sample for position, sample in enumerate(ordered) if position not in tested)
            if not train:
                raise DataError(f"{where}: fold {k} tests all {len(ordered)} samples; expected more samples")
            folds.append(Fold(f"block{k}", train, test))
        return folds

    def count_folds(self, options: Any, counts: Counts) -> int:
        """As many as the options say."""
        return int(self.options(options).folds)


def _tested_positions(fold: int, folds: int, counts: tuple[int, ...]) -> set[int]:
    """Positions among all images that a fold tests: one block of each class."""
    published = folds == 10 and counts == PUBLISHED_COUNTS
    positions: set[int] = set()
    start = 0
    for number, count in enumerate(counts):
        size = PUBLISHED_SIZES[number] if published else block_size(count, folds)
        begin = fold * size if published else (fold * size) % max(1, count - size + 1)
        # the published code takes the last block from the end of the class, so that blocks may leave a gap or overlap
        if fold == folds - 1:
            begin = count - size
        positions |= set(range(start + begin, start + begin + size))
        start += count
    return positions


def block_size(count: int, folds: int) -> int:
    """Images of a class that one fold tests: whole sequences of three that fit `folds` times, at least one."""
    return min(count, SEQUENCE * max(1, count // SEQUENCE // folds))


PLUGIN = Ck48Blocks()
