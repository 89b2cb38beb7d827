"""Assign whole units (subjects) to bins so that every class is shared out in given proportions."""

import numpy as np


def assign_units(
    counts: np.ndarray,
    shares: np.ndarray,
    generator: np.random.Generator,
    allowed: np.ndarray | None = None,
    quota: np.ndarray | None = None,
) -> np.ndarray:
    """The bin of each unit.

    Units are assigned one by one, largest first and in random order among equals, to the bin where they bring the
    class counts nearest to the shares (squared distance, each class weighing the same). No bin with a share stays
    empty.

    Args:
        counts: samples per unit and class, (U, C), no negative value.
        shares: wanted proportions (B,), summing to 1; a bin with share 0 gets nothing.
        generator: decides among equals.
        allowed: bool (U, B): the bins that a unit may be in; all by default.
        quota: int (B,): the most units that a bin takes; no limit by default.

    Returns:
        int (U,): a bin for each unit.

    Raises:
        ValueError: fewer units than bins, or no way to fill every bin.
    """
    units, bins = len(counts), len(shares)
    free = np.ones((units, bins), bool) if allowed is None else allowed.copy()
    free[:, shares <= 0] = False
    needed = int((shares > 0).sum())
    if units < needed:
        raise ValueError(f"{units} units for {needed} bins")
    columns = np.asarray(counts, dtype=np.float64)
    totals = columns.sum(axis=0)
    columns, totals = columns[:, totals > 0], totals[totals > 0]  # a class without samples would be divided by 0
    columns = columns / totals
    shuffled = generator.permutation(units)
    # A stable sort keeps the random order among units of one size.
    order = shuffled[np.argsort(-columns[shuffled].sum(axis=1), kind="stable")]
    filled = np.zeros((bins, columns.shape[1]))
    bin_of = np.full(units, -1)
    left = np.full(bins, units) if quota is None else quota.copy()
    for unit in order:
        # Adding x to a bin that holds h changes the squared distance to its share s by x . (2 (h - s) + x).
        cost = (2 * (filled - shares[:, None]) + columns[unit]) @ columns[unit]
        cost[~free[unit] | (left == 0)] = np.inf
        if not np.isfinite(cost).any():
            raise ValueError("a unit is allowed in no bin that has room")
        nearest = int(np.argmin(cost))
        bin_of[unit] = nearest
        filled[nearest] += columns[unit]
        left[nearest] -= 1
    # the greedy rule may leave a bin without a unit where few units have many samples
    for empty in set(np.flatnonzero(shares > 0).tolist()) - set(bin_of.tolist()):
        _fill(bin_of, empty, free, order[::-1])
    return bin_of


def _fill(bin_of: np.ndarray, empty: int, free: np.ndarray, order: np.ndarray) -> None:
    """Move one unit to an empty bin: the smallest that leaves no other bin empty."""
    sizes = np.bincount(bin_of, minlength=free.shape[1])
    for unit in order:
        if free[unit, empty] and sizes[bin_of[unit]] > 1:
            bin_of[unit] = empty
            return
    # Every unit that is allowed here is alone in its bin: one of them moves, and its bin is filled in turn.
    for unit in order:
        if free[unit, empty]:
            donor = int(bin_of[unit])
            for other in order:
                if other != unit and free[other, donor] and sizes[bin_of[other]] > 1:
                    bin_of[unit], bin_of[other] = empty, donor
                    return
    raise ValueError("no unit is free for a bin")


def class_counts(units: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit (N,) and class (N,) of each sample -> distinct units (U,) sorted, and their counts (U, C)."""
    names, rows = np.unique(units, return_inverse=True)
    kinds, columns = np.unique(classes, return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (rows, columns), 1)
    return names, counts
