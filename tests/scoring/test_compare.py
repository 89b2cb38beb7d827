"""Paired tests: known p values, scipy's values, and their level in simulations."""

import itertools

import numpy as np
import pytest
from scipy import stats

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import to_json
from fernas.metrics import uar
from fernas.scoring.compare import (
    compare_family,
    compare_runs,
    holm,
    optimism_gap,
    permutation_test,
    uar_shares,
    wilcoxon_test,
)
from tests.fixtures.predictions import confusions_of_random_subjects, predictions


def test_shares_of_the_subjects_sum_to_the_uar():
    counts = confusions_of_random_subjects(np.random.default_rng(0), 20, methods=3)
    assert uar_shares(counts).sum() == pytest.approx(uar.of_confusion(counts.sum(axis=1)).mean())


def test_the_permutation_test_equals_exchanging_predictions_and_scoring_again():
    a, b = predictions(8, right=0.9, seed=1), predictions(8, right=0.4, seed=2)
    result = compare_runs(a, b)
    columns = ["p_a", "p_b", "p_c"]
    subjects = sorted(set(a["subject"]))

    def score(table):
        index = {name: place for place, name in enumerate("abc")}
        return uar(table["label"].map(index).to_numpy(), table[columns].to_numpy().argmax(axis=1), 3)

    differences = []
    for exchanged in itertools.product((False, True), repeat=8):
        chosen = (
            a["subject"]
            .isin([s for s, exchange in zip(subjects, exchanged, strict=True) if exchange])
            .to_numpy()[:, None]
        )
        left, right = a.copy(), b.copy()
        left[columns], right[columns] = (
            np.where(chosen, b[columns], a[columns]),
            np.where(chosen, a[columns], b[columns]),
        )
        differences.append(score(left) - score(right))
    observed = result["difference"]["uar"]
    assert observed == pytest.approx(differences[0])
    assert result["permutation"]["exact"]
    assert result["permutation"]["p"] == pytest.approx(np.mean(np.abs(differences) >= abs(observed) - 1e-9))


def test_the_smallest_attainable_p_is_given_and_attained():
    for count in (2, 5, 12, 20):
        result = permutation_test(np.linspace(0.01, 0.02, count))
        assert result["p"] == result["smallest_p"] == pytest.approx(2 / 2**count) and result["exact"]
    result = permutation_test(np.linspace(0.01, 0.02, 60))
    assert not result["exact"] and result["p"] == result["smallest_p"] == pytest.approx(1 / 10_000)
    assert permutation_test(np.zeros(9))["p"] == 1 and permutation_test(np.array([0.0, 0.3]))["p"] == 1


def test_the_permutation_test_is_scipy_s_permutation_test_of_signs():
    for seed in range(5):
        shares = np.random.default_rng(seed).integers(-4, 8, 9) / 10
        theirs = stats.permutation_test(
            (shares,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True, n_resamples=512
        )
        assert permutation_test(shares)["p"] == pytest.approx(theirs.pvalue)


def test_random_patterns_agree_with_all_patterns():
    shares = np.random.default_rng(0).normal(0.01, 0.02, 14)
    exact = permutation_test(np.concatenate([shares, np.zeros(30)]))
    many = permutation_test(np.concatenate([shares, [1e-9, -1e-9] * 10]))
    assert exact["exact"] and not many["exact"] and 0.01 < exact["p"] < 0.5
    assert many["p"] == pytest.approx(exact["p"], abs=0.02)


def test_a_clear_winner_and_equal_runs():
    a, b = predictions(20, right=0.95, seed=1), predictions(20, right=0.3, seed=2)
    result = compare_runs(a, b)
    assert result["difference"]["uar"] > 0.3 and result["permutation"]["p"] < 0.001 and result["wilcoxon"]["p"] < 0.001
    low, high = result["interval"]["uar"]
    assert 0 < low < result["difference"]["uar"] < high
    assert result["effect"]["better"] > result["effect"]["worse"] and result["effect"]["rank_biserial"] > 0.8
    assert result["effect"]["d_z"] > 1 and result["unit"] == "subject"
    back = compare_runs(b, a)
    assert back["difference"]["uar"] == -result["difference"]["uar"] and back["permutation"]["p"] == pytest.approx(
        result["permutation"]["p"]
    )
    same = compare_runs(a, a)
    assert same["permutation"]["p"] == same["wilcoxon"]["p"] == 1 and same["interval"]["uar"] == [None, None]
    to_json([result, same])


def test_differences_can_be_negative():
    low, high = compare_runs(predictions(20, right=0.3, seed=1), predictions(20, right=0.9, seed=2))["interval"]["uar"]
    assert -1 <= low < high < 0


def test_wilcoxon_is_exact_with_ties_and_few_subjects():
    a, b = np.array([0.5, 0.6, 0.7, 0.9, 0.8]), np.array([0.4, 0.5, 0.6, 0.5, 0.8])
    result = wilcoxon_test(a, b)
    assert result == {"p": pytest.approx(2 / 2**4), "smallest_p": 2 / 2**4, "differing": 4}
    rng = np.random.default_rng(0)
    for count in (6, 20, 40):
        a, b = rng.random(count), rng.random(count)
        assert wilcoxon_test(a, b)["p"] == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_mcnemar_only_where_samples_are_independent():
    result = compare_runs(predictions(seed=1), predictions(seed=2))["mcnemar"]
    assert result["p"] is None and "subject" in result["reason"]
    a, b = (predictions(30, right=r, seed=s, anonymous=True) for r, s in ((0.8, 1), (0.5, 2)))
    result = compare_runs(a, b)["mcnemar"]
    assert result["p"] == pytest.approx(stats.binomtest(result["a_only"], result["a_only"] + result["b_only"]).pvalue)
    assert compare_runs([a, a], b)["mcnemar"]["reason"] == "several seeds"
    assert compare_runs(a, a)["mcnemar"]["p"] == 1


def test_rows_in_another_order_and_other_folds_compare_all_the_same():
    a, b = predictions(30, right=0.8, seed=1, anonymous=True), predictions(30, right=0.5, seed=2, anonymous=True)
    mixed = b.sample(frac=1, random_state=0).assign(fold=7)
    assert compare_runs(a, mixed) == compare_runs(a, b)


def test_seeds_are_averaged_within_each_run():
    a = [predictions(12, right=0.8, seed=s) for s in (1, 2, 3)]
    b = [predictions(12, right=0.6, seed=s) for s in (4, 5)]
    result = compare_runs(a, b)
    single = [compare_runs(x, y)["difference"]["uar"] for x in a for y in b]
    assert result["difference"]["uar"] == pytest.approx(np.mean(single)) and result["seeds"] == [3, 2]
    # the same seeds twice are the same mean, so the same interval
    assert compare_runs(a, b + b)["interval"]["uar"] == pytest.approx(result["interval"]["uar"])


def test_runs_on_other_samples_are_refused():
    a = predictions()
    with pytest.raises(ContractError, match="runs a and b: sample 'd/s00/0' is in one and not in the other"):
        compare_runs(a, a.iloc[1:])
    with pytest.raises(ContractError, match="units"):
        compare_runs(a, a.drop(columns="subject"))
    with pytest.raises(DataError, match="run b: probabilities of a, b, x; expected those of a, b, c"):
        compare_runs(a, a.rename(columns={"p_c": "p_x"}))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([]) == []


def test_a_family_is_adjusted_over_all_pairs_or_against_one():
    runs = {
        name: [predictions(10, right=r, seed=s)] for s, (name, r) in enumerate({"x": 0.9, "y": 0.6, "z": 0.5}.items())
    }
    result = compare_family(runs)
    assert [(e["method_a"], e["method_b"]) for e in result] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [e["permutation"]["p_holm"] for e in result] == pytest.approx(holm([e["permutation"]["p"] for e in result]))
    assert [e["method_a"] for e in compare_family(runs, reference="z")] == ["x", "y"]
    with pytest.raises(ConfigError, match="no method 'w'"):
        compare_family(runs, reference="w")
    with pytest.raises(ContractError, match="at least two"):
        compare_family({"x": runs["x"]})


def test_the_optimism_gap_is_whole_minus_per_group():
    whole, honest = predictions(20, right=0.9, seed=1), predictions(20, right=0.5, seed=2)
    result = optimism_gap(whole, honest)
    assert result["gap"] > 0.2 and result["low"] < result["gap"] < result["high"] and result["p"] < 0.01


def rejections(draws, test, units=24):
    result = []
    for k in range(draws):
        counts = confusions_of_random_subjects(np.random.default_rng([3, units, k]), units, methods=2)
        result.append(test(counts[:1], counts[1:])["p"])
    return np.array(result)


def by_permutation(a, b):
    return permutation_test(uar_shares(a) - uar_shares(b))


@pytest.mark.slow
def test_the_permutation_test_holds_its_level_under_the_null():
    p = rejections(1000, by_permutation, 24)
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07 and 0.07 <= np.mean(p <= 0.1) <= 0.13
    # with ten subjects, several of whom don't differ, the attainable p are coarse, so the test is on the safe side
    assert 0.005 <= np.mean(rejections(1000, by_permutation, 10) <= 0.05) <= 0.06


@pytest.mark.slow
def test_a_test_that_takes_samples_for_independent_would_not():
    """The reason for exchanging subjects: McNemar's test on the same draws rejects far too often."""

    def by_sample(a, b):
        hits = [np.diagonal(run[0], axis1=-2, axis2=-1).sum() for run in (a, b)]
        total = int(a.sum())
        pooled = sum(hits) / 2 / total
        z = (hits[0] - hits[1]) / np.sqrt(2 * total * pooled * (1 - pooled))
        return {"p": 2 * stats.norm.sf(abs(z))}

    assert np.mean(rejections(500, by_sample) <= 0.05) > 0.07


def test_the_permutation_test_rejects_rarely_under_the_null_in_a_small_simulation():
    assert np.mean(rejections(80, by_permutation, 10) <= 0.05) <= 0.15
