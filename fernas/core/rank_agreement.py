"""How well one score of architectures ranks what another score ranks (Kendall's tau-b); importable without torch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fernas.core.seeds import rng

FEWEST = 3
DRAWS = 2000
LEVEL = 0.95

Scores = Sequence[float] | Sequence[Sequence[float]] | np.ndarray


def rank_agreement(inherited: Scores, trained: Scores, draws: int = DRAWS) -> dict[str, Any]:
    """How well scores with inherited weights rank architectures that were then trained from scratch.

    Args:
        inherited: a score per architecture with the weights of the supernet, (architectures,), or of several searches
            over the same architectures, (searches, architectures).
        trained: the scores after training, in the same shape and order.
        draws: bootstrap samples of the architectures, drawn with all their searches.

    Returns:
        `kendall` (tau-b) and `spearman`: means over the searches in which both scores vary, null where there is none.
        `low`, `high`: 95 % percentile interval of `kendall` over the samples in which it is defined, else null.
        `p`: of the tau of a single search against zero, two-sided, exact where there are no ties.
        `count`: the number of architectures.

    Raises:
        ValueError: the two differ in shape, or there are fewer than three architectures.
    """
    from scipy import stats

    x, y = (np.atleast_2d(np.asarray(scores, np.float64)) for scores in (inherited, trained))
    if x.shape != y.shape or x.shape[1] < FEWEST:
        raise ValueError(
            f"rank agreement: got scores of shapes {x.shape} and {y.shape}, expected the same, >= {FEWEST}"
        )
    count = x.shape[1]
    agreement: dict[str, Any] = dict.fromkeys(("kendall", "spearman", "low", "high", "p")) | {"count": count}
    # a constant score ranks nothing: its tau is 0 / 0
    varied = [search for search in range(len(x)) if np.ptp(x[search]) > 0 and np.ptp(y[search]) > 0]
    if not varied:
        return agreement
    x, y = x[varied], y[varied]
    # a fixed seed: the interval is a function of the scores alone
    picks = rng(0, "rank agreement").integers(count, size=(draws, count))
    taus = mean_tau(x, y, picks)
    low, high = np.quantile(taus[np.isfinite(taus)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    spearman = [stats.spearmanr(one, other).statistic for one, other in zip(x, y, strict=True)]
    return agreement | {
        "kendall": float(mean_tau(x, y, np.arange(count)[None])[0]),
        "spearman": float(np.mean(spearman)),
        "low": float(low),
        "high": float(high),
        "p": float(stats.kendalltau(x[0], y[0]).pvalue) if len(x) == 1 else None,
    }


def uar_ranks(scores: Sequence[Mapping[str, float]]) -> list[int]:
    """The rank of each architecture from the worst (0) up: by `uar`, of equals by the lower `loss`, as a search does.

    Architectures with equal scores share a rank.
    """
    keys = [(score["uar"], -score["loss"]) for score in scores]
    return [sorted(set(keys)).index(key) for key in keys]


def mean_tau(x: np.ndarray, y: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each sample of architectures, the mean over searches: float64 (draws,).

    tau_b = (concordant - discordant pairs) / sqrt(pairs not tied in x * pairs not tied in y)

    Args:
        x: float64 (searches, architectures).
        y: the other scores, likewise.
        picks: indices int64 (draws, architectures). A search whose scores are constant in a sample is left out of the
            mean of that sample; a sample without any search is NaN.
    """
    taus = np.full((len(x), len(picks)), np.nan)
    for search, scores in enumerate(zip(x, y, strict=True)):
        # signs of all ordered pairs of a sample, (draws, architectures, architectures): each pair counts twice, above
        # and below the fraction bar alike
        one, other = (
            np.sign(values[:, None] - values[None, :])[picks[:, :, None], picks[:, None, :]] for values in scores
        )
        scale = np.sqrt((one**2).sum((1, 2)) * (other**2).sum((1, 2)))
        np.divide((one * other).sum((1, 2)), scale, out=taus[search], where=scale > 0)
    known = np.isfinite(taus)
    return np.divide(
        np.where(known, taus, 0.0).sum(0), known.sum(0), out=np.full(len(picks), np.nan), where=known.any(0)
    )
