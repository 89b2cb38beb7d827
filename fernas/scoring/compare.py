"""Paired tests between runs on the same samples, at subject level.

Samples of one subject are not independent, so whole subjects are exchanged. The main test is a paired permutation test:
it exchanges the two runs' predictions of whole subjects and recomputes the difference of the pooled UAR. Under the
hypothesis that the runs are exchangeable, every pattern of exchanges is equally likely. UAR is linear in each subject's
hits (class sizes do not depend on predictions): with h_uc hits of subject u among the N_c samples of C classes,
UAR = sum_u w_u and w_u = 1/C sum_c h_uc / N_c. An exchange thus changes the sign of the share w_u(a) - w_u(b) that the
subject has in the difference. p is the share of sign patterns whose sum is at least as far from zero as the data's.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.errors import ConfigError, ContractError
from fernas.core.seeds import rng
from fernas.metrics import all_metrics
from fernas.scoring.intervals import as_lists, bootstrap_intervals
from fernas.scoring.predictions import Predictions, check_same_samples, number_or_none, stack_seeds

if TYPE_CHECKING:
    import pandas as pd

EXACT_UP_TO = 22  # units; 2^21 sign patterns take a fraction of a second
PATTERNS = 9999
CHUNK = 4_000_000  # floats of the largest temporary array
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
        `samples`, `units`, `unit`, `seeds`.
        `a`, `b`, `difference` (metric -> value) and `interval` (metric -> [low, high] of the difference).
        `permutation` (the paired permutation test), `wilcoxon`, `mcnemar`: each with `p`, `smallest_p` (the smallest
        attainable p for data of this size) and its numbers. mcnemar has `p` null and a `reason` where samples are not
        independent or there are several seeds.
        `effect`: `d_z` (mean over standard deviation of the subjects' shares of the UAR difference), `rank_biserial` of
        the subjects' accuracies, and `better`, `equal`, `worse`: numbers of subjects by accuracy.

    Raises:
        DataError, ContractError: predictions are not as they must be, or the runs differ in their samples.
    """
    run_a, run_b = _pair(a, b, classes)
    counts_a, counts_b = (run.unit_confusions()[1] for run in (run_a, run_b))
    metrics = all_metrics()
    both = np.concatenate([counts_a, counts_b])
    # the difference of two means over seeds is one weighted sum over the seeds of both runs
    weights = np.concatenate([np.full(len(counts_a), 1 / len(counts_a)), np.full(len(counts_b), -1 / len(counts_b))])
    intervals = bootstrap_intervals(both, metrics, rng(seed, "compare"), resamples, level, weights)
    scores_a, scores_b = ({m.name: run.pooled_scores(m).mean() for m in metrics} for run in (run_a, run_b))
    shares = uar_shares(counts_a) - uar_shares(counts_b)
    accuracy_a, accuracy_b = _accuracies(counts_a), _accuracies(counts_b)
    return {
        "samples": len(run_a.true),
        "units": counts_a.shape[1],
        "unit": run_a.unit,
        "seeds": [len(counts_a), len(counts_b)],
        "a": {name: number_or_none(value) for name, value in scores_a.items()},
        "b": {name: number_or_none(value) for name, value in scores_b.items()},
        "difference": {name: number_or_none(scores_a[name] - scores_b[name]) for name in scores_a},
        "interval": as_lists(intervals.bounds),
        "permutation": permutation_test(shares, seed),
        "wilcoxon": wilcoxon_test(accuracy_a, accuracy_b),
        "mcnemar": _mcnemar(run_a, run_b),
        "effect": _effect(shares, accuracy_a, accuracy_b),
    }


def _pair(
    a: "pd.DataFrame | Sequence[pd.DataFrame]",
    b: "pd.DataFrame | Sequence[pd.DataFrame]",
    classes: Sequence[str] | None,
) -> tuple[Predictions, Predictions]:
    """Both runs, after checking that they have the same samples and units; folds may differ."""
    tables = [list(run) if isinstance(run, Sequence) else [run] for run in (a, b)]
    run_a = stack_seeds(tables[0], classes, "run a")
    # with the classes of run a, so that an index means the same class in both
    run_b = stack_seeds(tables[1], list(run_a.classes), "run b")
    rows_a, rows_b = (run.rows.sort_values(["sample_id", "fold"]).reset_index(drop=True) for run in (run_a, run_b))
    check_same_samples(rows_a, rows_b, "runs a and b")
    units_a, units_b = (set(run.units) for run in (run_a, run_b))
    if units_a != units_b:
        raise ContractError(
            f"runs a and b: samples belong to {len(units_a)} units ({run_a.unit}) in one and to {len(units_b)} "
            f"({run_b.unit}) in the other; expected the same"
        )
    return run_a, run_b


def uar_shares(confusions: np.ndarray) -> np.ndarray:
    """Each unit's share (U,) of the pooled UAR, averaged over seeds: counts (S, U, K, K); they sum to the UAR."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).mean(axis=0)
    support = confusions[0].sum(axis=(0, -1))  # labels are the same for all seeds
    present = support > 0
    return (hits[:, present] / support[present]).sum(axis=-1) / present.sum()


def _accuracies(confusions: np.ndarray) -> np.ndarray:
    """Accuracy of each unit (U,), averaged over seeds, from counts (S, U, K, K)."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).sum(axis=-1).mean(axis=0)
    return hits / confusions[0].sum(axis=(-2, -1))


def permutation_test(shares: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Paired permutation test on the units' shares (U,) of a difference: how often random signs give as large a sum.

    Exact (all patterns) up to 22 units that differ, else with 9999 random patterns and that of the data. It equals
    scipy's `permutation_test(..., permutation_type="samples")` without its loop over patterns.

    Returns:
        `p` (two-sided), `smallest_p`, `exact`, `patterns`, `differing` (units whose share is not zero).
    """
    differing = shares[np.abs(shares) > TINY]  # an exchange of equal shares changes nothing
    count = len(differing)
    if not count:
        return {"p": 1.0, "smallest_p": 1.0, "exact": True, "patterns": 1, "differing": 0}
    exact = count <= EXACT_UP_TO
    smallest = 2.0 ** (1 - min(count, 1000))  # all signs equal, or all reversed; 2^-1000 is small enough
    if exact:
        p = float(np.mean(_as_large(_all_sums(differing), differing)))
    else:
        smallest = max(smallest, 1 / (PATTERNS + 1))
        # the data are one of the patterns, so that p is never zero and the test keeps its level
        p = (1 + int(_as_large(_random_sums(differing, rng(seed, "swap")), differing).sum())) / (PATTERNS + 1)
    return {
        "p": p,
        "smallest_p": smallest,
        "exact": exact,
        "patterns": 2**count if exact else PATTERNS,
        "differing": count,
    }


def _as_large(sums: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether sums (n,) are as far from zero as the sum of the values, up to rounding."""
    return np.abs(sums) >= abs(values.sum()) - TINY * max(1.0, np.abs(values).sum())


def _all_sums(values: np.ndarray) -> np.ndarray:
    """The sums of values (n,) under all signs, up to the sign of the whole: (2^(n-1),).

    The test is two-sided, so the other half has the same absolute values.
    """
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

    differences = np.round(a - b, 12)  # accuracies that are equal up to rounding are ties
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


def _mcnemar(run_a: Predictions, run_b: Predictions) -> dict[str, Any]:
    """McNemar's exact test, where samples are independent and each run has one seed."""
    reason = ""
    if run_a.unit != "image":
        reason = f"samples of one {run_a.unit} are not independent"
    elif len(run_a.predicted) > 1 or len(run_b.predicted) > 1:
        reason = "several seeds"
    if reason:
        return {"p": None, "smallest_p": None, "reason": reason}
    from statsmodels.stats.contingency_tables import mcnemar

    # both runs by sample: their folds may list samples in other orders
    orders = (np.argsort(run.rows["sample_id"].to_numpy(str), kind="stable") for run in (run_a, run_b))
    hit_a, hit_b = ((run.predicted[0] == run.true)[o] for run, o in zip((run_a, run_b), orders, strict=True))
    a_only, b_only = int((hit_a & ~hit_b).sum()), int((~hit_a & hit_b).sum())
    table = [[int((hit_a & hit_b).sum()), a_only], [b_only, int((~hit_a & ~hit_b).sum())]]
    p = float(mcnemar(table, exact=True).pvalue) if a_only + b_only else 1.0
    smallest = min(1.0, 2.0 ** (1 - min(a_only + b_only, 1000)))  # all discordant samples favour one run
    return {"p": p, "smallest_p": smallest, "a_only": a_only, "b_only": b_only}


def _effect(shares: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    """Effect sizes from the units' shares of the UAR difference (U,) and their accuracies (U,) in both runs."""
    from scipy.stats import rankdata

    spread = float(shares.std(ddof=1)) if len(shares) > 1 else 0.0
    differences = np.round(a - b, 12)
    nonzero = differences[differences != 0]
    ranks = rankdata(np.abs(nonzero))
    biserial = float((ranks * np.sign(nonzero)).sum() / ranks.sum()) if len(nonzero) else 0.0
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
        One dict per pair: `method_a`, `method_b`, and what `compare_runs` gives with `p_holm` in each test with a p.
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
    comparisons = [
        {"method_a": a, "method_b": b, **compare_runs(list(runs[a]), list(runs[b]), classes, resamples, level, seed)}
        for a, b in pairs
    ]
    for test in ("permutation", "wilcoxon", "mcnemar"):
        tests = [comparison[test] for comparison in comparisons if comparison[test]["p"] is not None]
        for result, adjusted in zip(tests, holm([result["p"] for result in tests]), strict=True):
            result["p_holm"] = adjusted
    return comparisons


def optimism_gap(
    whole: "pd.DataFrame | Sequence[pd.DataFrame]",
    per_group: "pd.DataFrame | Sequence[pd.DataFrame]",
    classes: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """How much higher the UAR is when the search has seen the test subjects: that of `whole` minus `per_group`.

    Args:
        whole: predictions of the scope whole_dataset, searched on a subsample of the size of the fold groups' pools.
        per_group: predictions of the scope per_group.
        classes: class names in their order.
        resamples: of the intervals.
        level: coverage of the intervals.
        seed: of resamples and permutations.

    Returns:
        `gap`, `low`, `high` (UAR, in 0 .. 1), `p` of the paired permutation test, `smallest_p`, `unit`, `comparison`.
    """
    comparison = compare_runs(whole, per_group, classes, resamples, level, seed)
    low, high = comparison["interval"]["uar"]
    return {
        "gap": comparison["difference"]["uar"],
        "low": low,
        "high": high,
        "p": comparison["permutation"]["p"],
        "smallest_p": comparison["permutation"]["smallest_p"],
        "unit": comparison["unit"],
        "comparison": comparison,
    }
