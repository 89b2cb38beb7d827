"""The three parts of a training side: weights, selection, inner validation; whole subjects, classes shared out evenly.

No gradient and no fitness ever comes from inner validation. In datasets without subjects, groups take their place.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fernas.core.errors import ContractError, DataError
from fernas.core.seeds import rng
from fernas.protocols._base import checked, unit_word

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("weights", "selection", "inner_validation")


@dataclass(frozen=True)
class Parts:
    """Sample ids of the parts, each in the natural order of the ids."""

    weights: tuple[str, ...]
    selection: tuple[str, ...]
    inner_validation: tuple[str, ...]

    def document(self) -> dict[str, list[str]]:
        """Name of the part -> sample ids."""
        return {name: list(getattr(self, name)) for name in NAMES}


def split_parts(
    train_ids: Collection[str],
    table: "pd.DataFrame",
    fractions: Mapping[str, float],
    seed: int,
    name: str = "all",
    inner_validation: Sequence[str] | None = None,
    never_inner: Collection[str] = (),
) -> Parts:
    """Share a training side out into its parts.

    A class that one subject alone has goes to weights. The result depends on the ids, the labels, `seed` and `name`,
    not on the order of either.

    Args:
        train_ids: the samples to share out.
        table: the samples of the task, see `_base.checked`.
        fractions: weights, selection and inner_validation, summing to 1; an empty part has 0.
        seed: base of the random order among equals.
        name: what the parts are for; streams of different names are independent.
        inner_validation: ids that are inner validation because the dataset says so; the rest is then shared between
            weights and selection in their proportion.
        never_inner: ids whose subjects must not go to inner validation (a search has learnt from them).

    Raises:
        DataError: fewer subjects than parts.
        ContractError: an id that the table does not have, or fractions that do not sum to 1.
    """
    return split_checked(train_ids, checked(table, "parts"), fractions, seed, name, inner_validation, never_inner)


def split_checked(
    train_ids: Collection[str],
    rows: "pd.DataFrame",
    fractions: Mapping[str, float],
    seed: int,
    name: str = "all",
    inner_validation: Sequence[str] | None = None,
    never_inner: Collection[str] = (),
) -> Parts:
    """`split_parts` of a table that went through `_base.checked` already."""
    import numpy as np

    from fernas.protocols._balance import assign, class_counts

    shares = _shares(fractions, inner_validation is not None)
    wanted = set(train_ids)
    side = rows[rows["sample_id"].isin(wanted)]
    if len(side) != len(wanted):
        unknown = sorted(wanted - set(side["sample_id"]))
        raise ContractError(f"parts of {name}: the table has no sample {unknown[0]!r}")
    inner = set(inner_validation or ())
    shared = side[~side["sample_id"].isin(inner)]
    names, counts = class_counts(shared["unit"].to_numpy(str), shared["label"].to_numpy(str))
    needed = int((shares > 0).sum())
    if len(names) < needed:
        filled = [part for part, share in zip(NAMES, shares, strict=True) if share > 0]
        raise DataError(
            f"parts of {name}: got {len(names)} {unit_word(rows)} on the training side, fewer {unit_word(rows)} than "
            f"parts ({needed}: {', '.join(filled)})"
        )
    kept_out = set(side.loc[side["sample_id"].isin(set(never_inner)), "unit"])
    allowed = np.ones((len(names), len(NAMES)), bool)
    allowed[[unit in kept_out for unit in names], NAMES.index("inner_validation")] = False
    try:
        number = assign(counts, shares, rng(seed, "parts", name), allowed)
    except ValueError as error:
        raise DataError(
            f"parts of {name}: {error}: too few {unit_word(rows)} for the parts {', '.join(NAMES)}"
        ) from error
    _learn_every_class(number, counts, shares)
    part_of = dict(zip(names.tolist(), number.tolist(), strict=True))
    place = shared["unit"].map(part_of).to_numpy()
    found = [tuple(shared["sample_id"].to_numpy()[place == k]) for k in range(len(NAMES))]
    if inner_validation is not None:
        found[2] = tuple(side.loc[side["sample_id"].isin(inner), "sample_id"])
    return Parts(*found)


def _shares(fractions: Mapping[str, float], inner_is_given: bool) -> "np.ndarray":
    import numpy as np

    shares = np.array([float(fractions[name]) for name in NAMES])
    if (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ContractError(f"parts: got {dict(fractions)}, expected shares of at least 0 that sum to 1")
    if inner_is_given:
        shares[2] = 0
    return shares / shares.sum()


def _learn_every_class(number: "np.ndarray", counts: "np.ndarray", shares: "np.ndarray") -> None:
    """Bring one unit of a class that weights lack into weights, where its part keeps another unit."""
    import numpy as np

    if shares[0] <= 0:
        return
    for column in range(counts.shape[1]):
        if (counts[number == 0, column] > 0).any():
            continue
        sizes = np.bincount(number, minlength=len(shares))
        having = [unit for unit in np.flatnonzero(counts[:, column] > 0) if sizes[number[unit]] > 1]
        if having:
            number[min(having, key=lambda unit: (counts[unit].sum(), unit))] = 0


if TYPE_CHECKING:
    import numpy as np
