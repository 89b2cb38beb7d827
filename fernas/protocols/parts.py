"""The three parts of a train split: weights, selection, inner validation. Whole subjects, classes shared out evenly.

No gradient and no fitness ever comes from inner validation. DARTS calls the first two its training and validation
halves. In datasets without subjects, sequences take their place.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fernas.core.errors import ContractError, DataError
from fernas.core.seeds import rng
from fernas.protocols._base import unit_word

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAMES = ("weights", "selection", "inner_validation")
INNER = NAMES.index("inner_validation")


@dataclass(frozen=True)
class Parts:
    """Sample ids of the parts, each in the natural order of the ids."""

    weights: tuple[str, ...]
    selection: tuple[str, ...]
    inner_validation: tuple[str, ...]

    def document(self) -> dict[str, list[str]]:
        """Name of the part -> sample ids."""
        return {name: list(getattr(self, name)) for name in NAMES}


@dataclass(frozen=True)
class PartSplitter:
    """Splits training samples of one task into parts.

    Attributes:
        rows: the samples of the task after `_base.checked`.
        fractions: weights, selection and inner_validation, summing to 1; an empty part has 0.
        seed: base of the random order among equals.
    """

    rows: "pd.DataFrame"
    fractions: Mapping[str, float]
    seed: int

    def split(
        self,
        train_ids: Collection[str],
        name: str = "all",
        inner_validation: Sequence[str] | None = None,
        never_inner: Collection[str] = (),
    ) -> Parts:
        """The parts of some training samples.

        A class that only one subject has is put in weights. The result depends on the ids, the labels, `seed` and
        `name`, not on any order.

        Args:
            train_ids: the samples to split.
            name: what the parts are for; random streams of different names are independent.
            inner_validation: ids that are inner validation because the dataset says so; the others are then split
                between weights and selection in their proportion.
            never_inner: ids whose subjects must not be in inner validation (a search has learnt from them).

        Raises:
            DataError: fewer subjects than parts.
            ContractError: an id that the table does not have, or fractions that do not sum to 1.
        """
        import numpy as np

        from fernas.protocols._stratify import assign_units, class_counts

        # Beside a stated inner validation, weights and selection share the rest in their proportion.
        shares = _shares(self.fractions, inner_validation is not None)
        train = self._rows_of(train_ids, name)
        inner = set(inner_validation or ())
        shared = train[~train["sample_id"].isin(inner)]
        units, counts = class_counts(shared["unit"].to_numpy(str), shared["label"].to_numpy(str))
        self._check_enough(len(units), shares, name)
        # The epoch must not be chosen on subjects whose data have shaped the architecture.
        searched = set(train.loc[train["sample_id"].isin(set(never_inner)), "unit"])
        allowed = np.ones((len(units), len(NAMES)), bool)
        allowed[[unit in searched for unit in units], INNER] = False
        try:
            part = assign_units(counts, shares, rng(self.seed, "parts", name), allowed)
        except ValueError as error:
            raise DataError(
                f"parts of {name}: {error}: too few {unit_word(self.rows)} for the parts {', '.join(NAMES)}"
            ) from error
        _learn_every_class(part, counts, shares)
        part_of_unit = dict(zip(units.tolist(), part.tolist(), strict=True))
        part_of_row = shared["unit"].map(part_of_unit).to_numpy()
        ids = [tuple(shared["sample_id"].to_numpy()[part_of_row == k]) for k in range(len(NAMES))]
        if inner_validation is not None:
            ids[INNER] = tuple(train.loc[train["sample_id"].isin(inner), "sample_id"])
        return Parts(*ids)

    def _rows_of(self, train_ids: Collection[str], name: str) -> "pd.DataFrame":
        wanted = set(train_ids)
        rows = self.rows[self.rows["sample_id"].isin(wanted)]
        if len(rows) != len(wanted):
            unknown = sorted(wanted - set(rows["sample_id"]))
            raise ContractError(f"parts of {name}: the table has no sample {unknown[0]!r}")
        return rows

    def _check_enough(self, units: int, shares: "np.ndarray", name: str) -> None:
        filled = [part for part, share in zip(NAMES, shares, strict=True) if share > 0]
        if units < len(filled):
            word = unit_word(self.rows)
            raise DataError(
                f"parts of {name}: got {units} {word} in the train split, fewer {word} than parts "
                f"({len(filled)}: {', '.join(filled)})"
            )


def _shares(fractions: Mapping[str, float], inner_is_given: bool) -> "np.ndarray":
    import numpy as np

    shares = np.array([float(fractions[name]) for name in NAMES])
    if (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ContractError(f"parts: got {dict(fractions)}, expected shares of at least 0 that sum to 1")
    if inner_is_given:
        shares[INNER] = 0
    return shares / shares.sum()


def _learn_every_class(part: "np.ndarray", counts: "np.ndarray", shares: "np.ndarray") -> None:
    """Move one unit of a class that weights lack into weights, where its part keeps another unit."""
    import numpy as np

    if shares[0] <= 0:
        return
    for column in range(counts.shape[1]):
        if (counts[part == 0, column] > 0).any():
            continue
        sizes = np.bincount(part, minlength=len(shares))
        # Of the class's units the smallest moves, and never the last one of its part.
        candidates = [unit for unit in np.flatnonzero(counts[:, column] > 0) if sizes[part[unit]] > 1]
        if candidates:
            part[min(candidates, key=lambda unit: (counts[unit].sum(), unit))] = 0
