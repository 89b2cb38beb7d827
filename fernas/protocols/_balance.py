"""Give whole units to sides so that every class is shared out in given proportions."""

import numpy as np


def assign(
    counts: np.ndarray,
    shares: np.ndarray,
    generator: np.random.Generator,
    allowed: np.ndarray | None = None,
    quota: np.ndarray | None = None,
) -> np.ndarray:
    """The side of each unit.

    Units go one by one, largest first and in random order among equals, to the side where they bring the class counts
    nearest to the shares (squared distance, each class weighing the same). No side with a share stays empty.

    Args:
        counts: samples per unit and class, (U, C), no negative value.
        shares: wanted proportions (P,), summing to 1; a side with share 0 gets nothing.
        generator: decides among equals.
        allowed: bool (U, P): the sides that a unit may go to; all by default.
        quota: int (P,): the most units that a side takes; no limit by default.

    Returns:
        int (U,): a side for each unit.

    Raises:
        ValueError: fewer units than sides, or no way to fill every side.
    """
    units, sides = len(counts), len(shares)
    free = np.ones((units, sides), bool) if allowed is None else allowed.copy()
    free[:, shares <= 0] = False
    wanted = int((shares > 0).sum())
    if units < wanted:
        raise ValueError(f"{units} units for {wanted} sides")
    columns = np.asarray(counts, dtype=np.float64)
    totals = columns.sum(axis=0)
    columns, totals = columns[:, totals > 0], totals[totals > 0]
    columns = columns / totals
    shuffled = generator.permutation(units)
    order = shuffled[np.argsort(-columns[shuffled].sum(axis=1), kind="stable")]
    have = np.zeros((sides, columns.shape[1]))
    side_of = np.full(units, -1)
    left = np.full(sides, units) if quota is None else quota.copy()
    for unit in order:
        # adding x to a side changes the squared distance to its share s by x . (2 (have - s) + x)
        cost = (2 * (have - shares[:, None]) + columns[unit]) @ columns[unit]
        cost[~free[unit] | (left == 0)] = np.inf
        if not np.isfinite(cost).any():
            raise ValueError("a unit may go nowhere")
        side = int(np.argmin(cost))
        side_of[unit] = side
        have[side] += columns[unit]
        left[side] -= 1
    for empty in set(np.flatnonzero(shares > 0).tolist()) - set(side_of.tolist()):
        _fill(side_of, empty, free, order[::-1])
    return side_of


def _fill(side_of: np.ndarray, side: int, free: np.ndarray, order: np.ndarray) -> None:
    """Move one unit to an empty side: the smallest that leaves no other side empty."""
    sizes = np.bincount(side_of, minlength=free.shape[1])
    for unit in order:
        if free[unit, side] and sizes[side_of[unit]] > 1:
            side_of[unit] = side
            return
    for unit in order:  # the only free units stand alone on another side: one moves, and that side is filled in turn
        if free[unit, side]:
            donor = int(side_of[unit])
            for other in order:
                if other != unit and free[other, donor] and sizes[side_of[other]] > 1:
                    side_of[unit], side_of[other] = side, donor
                    return
    raise ValueError("no unit is free for a side")


def class_counts(units: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Names of units (N,) and of columns (N,) -> distinct units (U,) sorted, and counts (U, C)."""
    names, rows = np.unique(units, return_inverse=True)
    kinds, places = np.unique(columns, return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (rows, places), 1)
    return names, counts
