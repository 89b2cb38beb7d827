"""Ranks of methods over datasets and variance components, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ContractError
from fernas.scoring.ranks import critical_difference, variance_components


def ranked():
    """Six datasets and three methods without ties: rank sums 7, 13 and 16."""
    ranks = [[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 2, 3], [2, 1, 3], [1, 3, 2]]
    return pd.DataFrame(ranks, columns=list("abc")).rsub(4) / 10


def test_ranks_and_friedman_by_hand():
    result = critical_difference(ranked())
    assert result["ranks"] == pytest.approx({"a": 7 / 6, "b": 13 / 6, "c": 16 / 6})
    chi2 = 12 / (6 * 3 * 4) * (7**2 + 13**2 + 16**2) - 3 * 6 * 4
    assert result["chi2"] == pytest.approx(chi2) and result["p"] == pytest.approx(np.exp(-chi2 / 2))
    assert result["f"] == pytest.approx(5 * chi2 / (12 - chi2)) and result["datasets"] == 6


# Two-tailed Nemenyi quantiles at 0.05 for 2 to 10 methods: Demsar (2006), table 5 (a).
NEMENYI = {3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize("methods", NEMENYI)
def test_the_critical_difference_has_the_published_quantiles(methods):
    scores = pd.DataFrame(np.random.default_rng(0).random((14, methods)))
    distance = NEMENYI[methods] * np.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(scores)["critical_difference"] == pytest.approx(distance, rel=3e-4)


def test_groups_are_the_methods_whose_ranks_lie_within_the_difference():
    scores = pd.DataFrame({name: np.full(20, 1.0 - place / 10) for place, name in enumerate("abcd")})
    scores.loc[::2, ["a", "b"]] = scores.loc[::2, ["b", "a"]].to_numpy()
    result = critical_difference(scores)
    assert result["ranks"] == {"a": 1.5, "b": 1.5, "c": 3, "d": 4} and 1 < result["critical_difference"] < 1.5
    assert result["groups"] == [["a", "b"], ["c", "d"]]


def test_critical_differences_need_five_datasets_and_three_methods():
    result = critical_difference(ranked().iloc[:4])
    assert result["available"] is False and "4 datasets" in result["reason"]
    assert critical_difference(ranked()[["a", "b"]])["available"] is False
    partial = ranked()
    partial.loc[0, "b"] = np.nan
    assert critical_difference(partial)["datasets"] == 5 and critical_difference(partial)["left_out"] == ["0"]
    equal = critical_difference(pd.DataFrame(np.ones((6, 3)), columns=list("abc")))
    assert equal["p"] == 1 and equal["ranks"] == {"a": 2, "b": 2, "c": 2}


def test_variance_components_by_hand():
    scores = pd.DataFrame(
        {"search_seed": [0, 0, 1, 1, 2, 2], "train_seed": [0, 1] * 3, "value": [0.50, 0.52, 0.60, 0.62, 0.70, 0.72]}
    )
    result = variance_components(scores)
    # within: 3 x 0.0002 / 3; between: 2 x (0.1^2 + 0 + 0.1^2) / 2 = 0.02; search: (0.02 - 0.0002) / 2
    assert result["training_sd"] == pytest.approx(np.sqrt(0.0002)) and result["search_sd"] == pytest.approx(
        np.sqrt(0.0099)
    )
    assert result["search_share"] == pytest.approx(0.0099 / 0.0101) and result["mean"] == pytest.approx(0.61)
    assert result["mean_se"] == pytest.approx(0.1 / np.sqrt(3))


def test_variance_components_are_recovered_and_say_what_they_cannot_tell():
    rng = np.random.default_rng(0)
    rows = []
    for search in range(400):
        level = rng.normal(0.6, 0.03)
        rows += [(search, train, rng.normal(level, 0.02)) for train in range(rng.integers(1, 4))]
    scores = pd.DataFrame(rows, columns=["search_seed", "train_seed", "value"])
    result = variance_components(scores)
    assert result["search_sd"] == pytest.approx(0.03, rel=0.15) and result["training_sd"] == pytest.approx(
        0.02, rel=0.15
    )
    one = variance_components(scores[scores["search_seed"] == 1])
    assert one["search_sd"] is None and "one search" in one["reason"]
    single = variance_components(scores[scores["train_seed"] == 0])
    assert single["training_sd"] is None and "cannot be separated" in single["reason"]
    with pytest.raises(ContractError, match="occurs twice"):
        variance_components(pd.concat([scores, scores.iloc[:1]]))
    with pytest.raises(ContractError, match="expected search_seed"):
        variance_components(scores.drop(columns="value"))
