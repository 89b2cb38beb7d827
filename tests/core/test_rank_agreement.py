"""Agreement of ranks, worked by hand and equal to scipy's."""

import math

import numpy as np
import pytest
from scipy import stats

from fernas.core.rank_agreement import mean_tau, rank_agreement, uar_ranks
from fernas.core.seeds import rng


def test_rank_agreement_by_hand():
    found = rank_agreement([1, 2, 3, 4], [1, 2, 4, 3])  # five of six pairs agree
    assert found["kendall"] == pytest.approx((5 - 1) / 6) and found["spearman"] == pytest.approx(0.8)
    assert found["count"] == 4 and found["p"] == pytest.approx(2 * 4 / 24)  # 1 + 3 of 24 orders are as far or farther
    assert found["low"] <= found["kendall"] <= found["high"]
    tied = rank_agreement([1, 1, 2], [1, 2, 3])  # two pairs agree, one is tied on one side
    assert tied["kendall"] == pytest.approx(2 / math.sqrt(2 * 3))
    constant = rank_agreement([1, 1, 1], [1, 2, 3])
    assert constant == {"kendall": None, "spearman": None, "low": None, "high": None, "p": None, "count": 3}
    two = rank_agreement([[1, 2, 3], [1, 2, 3], [5, 5, 5]], [[1, 2, 3], [3, 2, 1], [1, 2, 3]])
    assert two["kendall"] == two["spearman"] == 0 and two["p"] is None
    perfect = rank_agreement(range(9), range(9))
    assert (perfect["low"], perfect["kendall"], perfect["high"]) == (1, 1, 1)
    for wrong in (([1, 2], [1, 2]), ([1, 2, 3], [1, 2, 3, 4])):
        with pytest.raises(ValueError, match=">= 3"):
            rank_agreement(*wrong)


def test_ranks_are_by_uar_and_of_equals_by_the_lower_loss():
    scores = [
        {"uar": 0.5, "loss": 1.0},
        {"uar": 0.4, "loss": 0.1},
        {"uar": 0.5, "loss": 0.9},
        {"uar": 0.4, "loss": 0.1},
    ]
    assert uar_ranks(scores) == [1, 0, 2, 0]


def test_resampled_taus_are_scipys():
    random = rng(0, "test")
    x, y = random.integers(0, 5, (1, 8)).astype(float), random.random((1, 8))
    picks = random.integers(8, size=(20, 8))
    expected = [stats.kendalltau(x[0][pick], y[0][pick]).statistic for pick in picks]
    assert np.allclose(mean_tau(x, y, picks), expected)


@pytest.mark.parametrize(("truth", "covered"), [(0.0, 0.9), (0.6, 0.85)])
def test_the_interval_covers_the_true_tau_of_normal_scores(truth, covered):
    """tau = 2/pi arcsin(rho) of normal scores; 12 cells are few, so the percentile interval is a bit narrow."""
    random, hits = rng(1, "coverage"), 0
    rho = math.sin(math.pi / 2 * truth)
    for _ in range(200):
        x = random.normal(size=12)
        y = rho * x + math.sqrt(1 - rho**2) * random.normal(size=12)
        found = rank_agreement(x, y, draws=300)
        hits += found["low"] <= truth <= found["high"]
    assert covered <= hits / 200 <= 0.99
