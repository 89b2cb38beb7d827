"""Paired tests between runs on the same samples, at subject level.

Samples of one person are not independent, so the person is what is exchanged. The main test swaps the two runs'
predictions for whole subjects and recomputes the difference of the pooled UAR: under the hypothesis that the runs are
exchangeable every pattern of swaps is equally likely. UAR is linear in each subject's hits (class sizes don't depend on
predictions), so a swap changes the sign of that subject's share of the difference.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.errors import ConfigError, ContractError
from fernas.core.seeds import rng
from fernas.metrics import all_metrics
from fernas.scoring.intervals import bootstrap_intervals, rounded
from fernas.scoring.predictions import Answers, answers, number, same_samples

if TYPE_CHECKING:
    import pandas as pd

EXACT_UP_TO = 22
PATTERNS = 9999
CHUNK = 4_000_000
TINY = 1e-12


def compare_runs(
    a: "pd.DataFrame | Sequence[pd.DataFrame]",
    b: "pd.DataFrame | Sequence[pd.DataFrame]",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two runs on the same samples; differences are a minus b.

    Args:
        a: predictions of one seed, or of several seeds of one method (then scores are averaged over seeds).
        b: those of the other run; the number of seeds may differ.
        classes: class names in their order.
        resamples: of the intervals.
        level: coverage of the intervals.
        seed: of resamples and permutations.

    Returns:
        `samples`, `units`, `unit`; `a`, `b`, `difference` (score -> value) and `interval` of the differences;
        `swap`, `wilcoxon`, `mcnemar` (each with `p`, `smallest_p` = the smallest p that data of this size can give, and
        what it rests on; mcnemar has `p` null and a `reason` where samples are not independent or there are several
        seeds); `effect` (`d_z` = mean over standard deviation of the subjects' shares of the UAR difference,
        `rank_biserial` of the subjects' accuracies, `better`, `equal`, `worse` = subjects by accuracy).

    Raises:
        DataError, ContractError: predictions are not as they must be, or the runs differ in their samples.
    """
    left = answers(_seeds(a), classes, "run a")
    right = answers(_seeds(b), list(left.classes), "run b")
    ours, theirs = (side.rows.sort_values(["sample_id", "fold"]).reset_index(drop=True) for side in (left, right))
    same_samples(ours, theirs, "runs a and b")
    units_a, counts_a = left.confusions()
    units_b, counts_b = right.confusions()
    if units_a != units_b:
        raise ContractError(
            f"runs a and b: samples belong to {len(units_a)} units ({left.unit}) in one and to {len(units_b)} "
            f"({right.unit}) in the other; expected the same"
        )
    metrics = all_metrics()
    both = np.concatenate([counts_a, counts_b])
    share = np.concatenate([np.full(len(counts_a), 1 / len(counts_a)), np.full(len(counts_b), -1 / len(counts_b))])
    intervals = bootstrap_intervals(both, metrics, rng(seed, "compare"), resamples, level, share)
    scores_a, scores_b = ({metric.name: run.pooled(metric).mean() for metric in metrics} for run in (left, right))
    shares = uar_shares(counts_a) - uar_shares(counts_b)
    accuracy_a, accuracy_b = _accuracies(counts_a), _accuracies(counts_b)
    return {
        "samples": len(left.true),
        "units": counts_a.shape[1],
        "unit": left.unit,
        "seeds": [len(counts_a), len(counts_b)],
        "a": {name: number(value) for name, value in scores_a.items()},
        "b": {name: number(value) for name, value in scores_b.items()},
        "difference": {name: number(scores_a[name] - scores_b[name]) for name in scores_a},
        "interval": rounded(intervals.bounds),
        "swap": swap_test(shares, seed),
        "wilcoxon": wilcoxon_test(accuracy_a, accuracy_b),
        "mcnemar": _mcnemar(left, right),
        "effect": _effect(shares, accuracy_a, accuracy_b),
    }


def _seeds(tables: "pd.DataFrame | Sequence[pd.DataFrame]") -> "list[pd.DataFrame]":
    return list(tables) if isinstance(tables, Sequence) else [tables]


def uar_shares(confusions: np.ndarray) -> np.ndarray:
    """Each unit's share (U,) of the pooled UAR, averaged over seeds: counts (S, U, K, K); they sum to the UAR."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).mean(axis=0)
    support = confusions[0].sum(axis=(0, -1))
    present = support > 0
    return (hits[:, present] / support[present]).sum(axis=-1) / present.sum()


def _accuracies(confusions: np.ndarray) -> np.ndarray:
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).sum(axis=-1).mean(axis=0)
    return hits / confusions[0].sum(axis=(-2, -1))


def swap_test(shares: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The swap test on the units' shares (U,) of a difference: how often random signs give as large a sum.

    Exact (all patterns) up to 22 units that differ, else with 9999 random patterns (the data's own counted in). It is
    scipy's `permutation_test(..., permutation_type="samples")` without its loop over patterns.

    Returns:
        `p` (two-sided), `smallest_p`, `exact`, `patterns`, `differing` (units whose share is not zero).
    """
    differing = shares[np.abs(shares) > TINY]
    count = len(differing)
    if not count:
        return {"p": 1.0, "smallest_p": 1.0, "exact": True, "patterns": 1, "differing": 0}
    exact = count <= EXACT_UP_TO
    smallest = 2.0 ** (1 - min(count, 1000))
    if exact:
        p = float(np.mean(_as_large(_all_sums(differing), differing)))
    else:
        smallest = max(smallest, 1 / (PATTERNS + 1))
        p = (1 + int(_as_large(_random_sums(differing, rng(seed, "swap")), differing).sum())) / (PATTERNS + 1)
    return {
        "p": p,
        "smallest_p": smallest,
        "exact": exact,
        "patterns": 2**count if exact else PATTERNS,
        "differing": count,
    }


def _as_large(sums: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.abs(sums) >= abs(values.sum()) - TINY * max(1.0, np.abs(values).sum())


def _all_sums(values: np.ndarray) -> np.ndarray:
    """The sums of values (n,) under all signs, up to the sign of the whole: (2^(n-1),)."""
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_sums(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The sums of values (n,) under 9999 random patterns of signs."""
    step = max(1, CHUNK // len(values))
    sizes = [min(step, PATTERNS - start) for start in range(0, PATTERNS, step)]
    return np.concatenate([(2.0 * generator.integers(0, 2, (size, len(values))) - 1) @ values for size in sizes])


def wilcoxon_test(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    """Wilcoxon's signed-rank test on the units' accuracies (U,), two-sided; units with equal ones are left out.

    Exact up to 22 units that differ, also with ties (all signs of the ranks); above that as scipy chooses.
    """
    from scipy.stats import rankdata, wilcoxon

    differences = np.round(a - b, 12)
    differences = differences[differences != 0]
    count = len(differences)
    if not count:
        return {"p": 1.0, "smallest_p": 1.0, "differing": 0}
    if count <= EXACT_UP_TO:
        ranks = rankdata(np.abs(differences)) * np.sign(differences)
        p = float(np.mean(_as_large(_all_sums(ranks), ranks)))
    else:
        p = float(wilcoxon(differences).pvalue)
    return {"p": p, "smallest_p": 2.0 ** (1 - min(count, 1000)), "differing": count}


def _mcnemar(left: Answers, right: Answers) -> dict[str, Any]:
    """McNemar's exact test, where samples are independent and each run has one seed."""
    reason = ""
    if left.unit != "image":
        reason = f"samples of one {left.unit} are not independent"
    elif len(left.predicted) > 1 or len(right.predicted) > 1:
        reason = "several seeds"
    if reason:
        return {"p": None, "smallest_p": None, "reason": reason}
    from statsmodels.stats.contingency_tables import mcnemar

    order_a, order_b = (np.argsort(side.rows["sample_id"].to_numpy(str), kind="stable") for side in (left, right))
    right_a = (left.predicted[0] == left.true)[order_a]
    right_b = (right.predicted[0] == right.true)[order_b]
    a_only, b_only = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    table = [[int((right_a & right_b).sum()), a_only], [b_only, int((~right_a & ~right_b).sum())]]
    p = float(mcnemar(table, exact=True).pvalue) if a_only + b_only else 1.0
    smallest = min(1.0, 2.0 ** (1 - min(a_only + b_only, 1000)))
    return {"p": p, "smallest_p": smallest, "a_only": a_only, "b_only": b_only}


def _effect(shares: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    from scipy.stats import rankdata

    spread = float(shares.std(ddof=1)) if len(shares) > 1 else 0.0
    differences = np.round(a - b, 12)
    moved = differences[differences != 0]
    ranks = rankdata(np.abs(moved))
    biserial = float((ranks * np.sign(moved)).sum() / ranks.sum()) if len(moved) else 0.0
    return {
        "d_z": float(shares.mean()) / spread if spread > 0 else None,
        "rank_biserial": biserial,
        "better": int((differences > 0).sum()),
        "equal": int((differences == 0).sum()),
        "worse": int((differences < 0).sum()),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment of a family of p values (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not len(p_values):
        return []
    return [float(p) for p in multipletests(list(p_values), method="holm")[1]]


def compare_family(
    runs: "Mapping[str, Sequence[pd.DataFrame]]",
    reference: str | None = None,
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """All pairs of methods, or all methods against one, with Holm's adjustment over the family.

    Args:
        runs: method -> predictions of its seeds, all on the same samples.
        reference: the method that all others are compared with; all pairs without one.
        classes: class names in their order.
        resamples: of the intervals.
        level: coverage of the intervals.
        seed: of resamples and permutations.

    Returns:
        One dict per pair: `method_a`, `method_b` and what `compare_runs` gives, with `p_holm` in `swap`, `wilcoxon` and
        (where it has a p) `mcnemar`.
    """
    if reference is not None and reference not in runs:
        raise ConfigError(f"comparison: no method {reference!r} among {', '.join(runs)}")
    if len(runs) < 2:
        raise ContractError(f"comparison: got {len(runs)} methods, expected at least two")
    names = list(runs)
    pairs = (
        [(name, reference) for name in names if name != reference]
        if reference is not None
        else list(itertools.combinations(names, 2))
    )
    found = [
        {"method_a": a, "method_b": b, **compare_runs(list(runs[a]), list(runs[b]), classes, resamples, level, seed)}
        for a, b in pairs
    ]
    for test in ("swap", "wilcoxon", "mcnemar"):
        known = [entry for entry in found if entry[test]["p"] is not None]
        for entry, adjusted in zip(known, holm([entry[test]["p"] for entry in known]), strict=True):
            entry[test]["p_holm"] = adjusted
    return found


def optimism_gap(
    whole: "pd.DataFrame | Sequence[pd.DataFrame]",
    per_group: "pd.DataFrame | Sequence[pd.DataFrame]",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """How much better a method looks when its search has seen the test subjects: UAR of `whole` minus `per_group`.

    Args:
        whole: predictions of the scope whole_dataset, its search on a subsample of the size of the groups' pools.
        per_group: predictions of the scope per_group.
        classes: class names in their order.
        resamples: of the intervals.
        level: coverage of the intervals.
        seed: of resamples and permutations.

    Returns:
        `gap`, `low`, `high` (UAR, in 0 .. 1), `p` of the swap test, `smallest_p`, `unit`, and `comparison`.
    """
    found = compare_runs(whole, per_group, classes, resamples, level, seed)
    low, high = found["interval"]["uar"]
    return {
        "gap": found["difference"]["uar"],
        "low": low,
        "high": high,
        "p": found["swap"]["p"],
        "smallest_p": found["swap"]["smallest_p"],
        "unit": found["unit"],
        "comparison": found,
    }
