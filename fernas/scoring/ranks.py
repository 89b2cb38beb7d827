"""Statistics over a whole study: ranks of methods over datasets, and what seeds contribute to the spread.

Ranks follow Demsar (2006). With N datasets, k methods and average ranks R_j, Friedman's statistic chi2 tests whether
all methods are equal, Iman and Davenport's F = (N - 1) chi2 / (N (k - 1) - chi2) is less conservative, and two methods
differ significantly when their average ranks differ by more than Nemenyi's CD = q_alpha sqrt(k (k + 1) / (6 N)).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

FEWEST_DATASETS = 5
FEWEST_METHODS = 3


def critical_difference(scores: "pd.DataFrame", alpha: float = 0.05) -> dict[str, Any]:
    """Average ranks of methods over datasets with Nemenyi's critical difference (Demsar 2006, section 3.2.2).

    Args:
        scores: one row per dataset, one column per method, larger is better; datasets that lack a method are left out.
        alpha: significance level of the tests.

    Returns:
        `available` and, where it is false (fewer than five datasets or three methods), `reason` and `left_out`. Else
        `ranks` (method -> mean rank, 1 is best), `chi2`, `p` (Friedman), `f`, `f_p` (Iman and Davenport),
        `critical_difference`, `groups` (methods in order of rank whose ranks lie within it: the bars of the diagram),
        `datasets`, `left_out`, `alpha`.
    """
    from scipy import stats

    whole = scores.dropna(axis=0)
    left_out = [str(name) for name in scores.index if name not in set(whole.index)]
    datasets, methods = whole.shape
    if datasets < FEWEST_DATASETS or methods < FEWEST_METHODS:
        reason = (
            f"{_count(datasets, 'dataset', 'datasets')} with all of {_count(methods, 'method', 'methods')}, "
            f"at least {FEWEST_DATASETS} datasets and {FEWEST_METHODS} methods are needed"
        )
        return {"available": False, "reason": reason, "left_out": left_out}
    ranks = stats.rankdata(-whole.to_numpy(np.float64), axis=1).mean(axis=0)
    if (whole.nunique(axis=1) == 1).all():  # scipy's correction for ties would divide by zero
        chi2, p = 0.0, 1.0
    else:
        test = stats.friedmanchisquare(*whole.to_numpy(np.float64).T)
        chi2, p = float(test.statistic), float(test.pvalue)
    rest = datasets * (methods - 1) - chi2  # zero where all datasets rank the methods alike: F is infinite
    f = (datasets - 1) * chi2 / rest if rest > 1e-9 else None
    f_p = float(stats.f.sf(f, methods - 1, (methods - 1) * (datasets - 1))) if f is not None else 0.0
    # Nemenyi's quantile is that of the studentised range for infinite degrees of freedom, over the root of two
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    distance = float(quantile * np.sqrt(methods * (methods + 1) / (6 * datasets)))
    order = np.argsort(ranks, kind="stable")
    names = [str(whole.columns[index]) for index in order]
    return {
        "available": True,
        "ranks": dict(zip(names, (float(rank) for rank in ranks[order]), strict=True)),
        "chi2": chi2,
        "p": p,
        "f": f,
        "f_p": f_p,
        "critical_difference": distance,
        "groups": _not_different(names, ranks[order], distance),
        "datasets": datasets,
        "left_out": left_out,
        "alpha": alpha,
    }


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _not_different(names: list[str], ranks: np.ndarray, distance: float) -> list[list[str]]:
    """The longest runs of methods (at least two) whose best and worst rank differ by no more than `distance`."""
    runs: list[tuple[int, int]] = []
    for first in range(len(names)):
        # the tolerance is for rounding: a difference of exactly the distance belongs to the run
        last = int(np.flatnonzero(ranks <= ranks[first] + distance + 1e-12)[-1])
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return [names[first : last + 1] for first, last in runs]


def variance_components(scores: "pd.DataFrame") -> dict[str, Any]:
    """What search seeds and training seeds contribute to the spread of a score.

    Training seeds are nested in searches: one-way random effects by the analysis of variance (Searle, Casella and
    McCulloch 1992, section 3.6 for unequal numbers). With mean squares MSB between and MSW within searches,
    training variance = MSW, search variance = max(0, (MSB - MSW) / n0), n0 = (n - sum n_i^2 / n) / (searches - 1).

    Args:
        scores: columns search_seed, train_seed and value, one row per trained repetition.

    Returns:
        `search_sd`, `training_sd` (standard deviations; null where there are too few seeds), `search_share` (of the
        sum of both variances), `mean`, `mean_se` (standard error of the mean over searches), `searches`, `trainings`
        and `reason` where something is null.

    Raises:
        ContractError: a column is missing, or a repetition occurs twice.
    """
    missing = [name for name in ("search_seed", "train_seed", "value") if name not in scores.columns]
    if missing or not len(scores):
        raise ContractError(
            f"variance components: got {len(scores)} rows of {list(scores.columns)}, "
            f"expected search_seed, train_seed, value"
        )
    if scores.duplicated(["search_seed", "train_seed"]).any():
        raise ContractError("variance components: a pair of search and training seed occurs twice")
    by_search = [rows["value"].to_numpy(np.float64) for _, rows in scores.groupby("search_seed")]
    sizes = np.array([len(values) for values in by_search])
    total, searches = int(sizes.sum()), len(by_search)
    means = np.array([values.mean() for values in by_search])
    mean = float(scores["value"].mean())
    within = sum(float(((values - values.mean()) ** 2).sum()) for values in by_search)
    training = within / (total - searches) if total > searches else None
    search = None
    if searches > 1 and training is not None:
        between = float((sizes * (means - mean) ** 2).sum()) / (searches - 1)
        mean_size = (total - float((sizes**2).sum()) / total) / (searches - 1)
        search = max(0.0, (between - training) / mean_size)
    reasons = []
    if training is None:
        reasons.append("one training per search: the effects of training and search seeds cannot be separated")
    if searches < 2:
        reasons.append("one search")
    # the shares are of the variances of a single search and a single training, not of the mean over seeds
    both = None if search is None or training is None else search + training
    return {
        "search_sd": None if search is None else float(np.sqrt(search)),
        "training_sd": None if training is None else float(np.sqrt(training)),
        "search_share": None if not both or search is None else search / both,
        "mean": mean,
        "mean_se": float(means.std(ddof=1) / np.sqrt(searches)) if searches > 1 else None,
        "searches": searches,
        "trainings": total,
        "reason": "; ".join(reasons),
    }
