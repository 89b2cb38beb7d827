import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import to_json, write_json, write_parquet
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
from fernas.scoring.ranks import critical_difference, variance_components
from fernas.scoring.runs import find_run
from tests.scoring.made_up import predictions, subjects_at_random, with_probabilities


def test_shares_of_the_subjects_sum_to_the_uar():
    counts = subjects_at_random(np.random.default_rng(0), 20, methods=3)
    assert uar_shares(counts).sum() == pytest.approx(uar.of_confusion(counts.sum(axis=1)).mean())


def test_the_permutation_test_equals_swapping_predictions_and_scoring_again():
    a, b = predictions(8, right=0.9, seed=1), predictions(8, right=0.4, seed=2)
    found = compare_runs(a, b)
    columns = ["p_a", "p_b", "p_c"]
    subjects = sorted(set(a["subject"]))

    def score(table):
        index = {name: place for place, name in enumerate("abc")}
        return uar(table["label"].map(index).to_numpy(), table[columns].to_numpy().argmax(axis=1), 3)

    differences = []
    for swapped in itertools.product((False, True), repeat=8):
        chosen = a["subject"].isin([s for s, swap in zip(subjects, swapped, strict=True) if swap]).to_numpy()[:, None]
        left, right = a.copy(), b.copy()
        left[columns], right[columns] = (
            np.where(chosen, b[columns], a[columns]),
            np.where(chosen, a[columns], b[columns]),
        )
        differences.append(score(left) - score(right))
    own = found["difference"]["uar"]
    assert own == pytest.approx(differences[0])
    assert found["swap"]["exact"]
    assert found["swap"]["p"] == pytest.approx(np.mean(np.abs(differences) >= abs(own) - 1e-9))


def test_the_smallest_attainable_p_is_said_and_attained():
    for count in (2, 5, 12, 20):
        found = permutation_test(np.linspace(0.01, 0.02, count))
        assert found["p"] == found["smallest_p"] == pytest.approx(2 / 2**count) and found["exact"]
    found = permutation_test(np.linspace(0.01, 0.02, 60))
    assert not found["exact"] and found["p"] == found["smallest_p"] == pytest.approx(1 / 10_000)
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
    found = compare_runs(a, b)
    assert found["difference"]["uar"] > 0.3 and found["swap"]["p"] < 0.001 and found["wilcoxon"]["p"] < 0.001
    low, high = found["interval"]["uar"]
    assert 0 < low < found["difference"]["uar"] < high
    assert found["effect"]["better"] > found["effect"]["worse"] and found["effect"]["rank_biserial"] > 0.8
    assert found["effect"]["d_z"] > 1 and found["unit"] == "subject"
    back = compare_runs(b, a)
    assert back["difference"]["uar"] == -found["difference"]["uar"] and back["swap"]["p"] == pytest.approx(
        found["swap"]["p"]
    )
    same = compare_runs(a, a)
    assert same["swap"]["p"] == same["wilcoxon"]["p"] == 1 and same["interval"]["uar"] == [0, 0]
    to_json([found, same])


def test_differences_can_be_negative():
    low, high = compare_runs(predictions(20, right=0.3, seed=1), predictions(20, right=0.9, seed=2))["interval"]["uar"]
    assert -1 <= low < high < 0


def test_wilcoxon_is_exact_with_ties_and_few_subjects():
    a, b = np.array([0.5, 0.6, 0.7, 0.9, 0.8]), np.array([0.4, 0.5, 0.6, 0.5, 0.8])
    found = wilcoxon_test(a, b)
    assert found == {"p": pytest.approx(2 / 2**4), "smallest_p": 2 / 2**4, "differing": 4}
    rng = np.random.default_rng(0)
    for count in (6, 20, 40):
        a, b = rng.random(count), rng.random(count)
        assert wilcoxon_test(a, b)["p"] == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_mcnemar_only_where_samples_are_independent():
    found = compare_runs(predictions(seed=1), predictions(seed=2))["mcnemar"]
    assert found["p"] is None and "subject" in found["reason"]
    a, b = (predictions(30, right=r, seed=s, anonymous=True) for r, s in ((0.8, 1), (0.5, 2)))
    found = compare_runs(a, b)["mcnemar"]
    assert found["p"] == pytest.approx(stats.binomtest(found["a_only"], found["a_only"] + found["b_only"]).pvalue)
    assert compare_runs([a, a], b)["mcnemar"]["reason"] == "several seeds"
    assert compare_runs(a, a)["mcnemar"]["p"] == 1


def test_rows_in_another_order_and_other_folds_compare_all_the_same():
    a, b = predictions(30, right=0.8, seed=1, anonymous=True), predictions(30, right=0.5, seed=2, anonymous=True)
    mixed = b.sample(frac=1, random_state=0).assign(fold=7)
    assert compare_runs(a, mixed) == compare_runs(a, b)


def test_seeds_are_averaged_within_each_run():
    a = [predictions(12, right=0.8, seed=s) for s in (1, 2, 3)]
    b = [predictions(12, right=0.6, seed=s) for s in (4, 5)]
    found = compare_runs(a, b)
    single = [compare_runs(x, y)["difference"]["uar"] for x in a for y in b]
    assert found["difference"]["uar"] == pytest.approx(np.mean(single)) and found["seeds"] == [3, 2]


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
    found = compare_family(runs)
    assert [(e["method_a"], e["method_b"]) for e in found] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [e["swap"]["p_holm"] for e in found] == pytest.approx(holm([e["swap"]["p"] for e in found]))
    assert [e["method_a"] for e in compare_family(runs, reference="z")] == ["x", "y"]
    with pytest.raises(ConfigError, match="no method 'w'"):
        compare_family(runs, reference="w")
    with pytest.raises(ContractError, match="at least two"):
        compare_family({"x": runs["x"]})


def test_the_optimism_gap_is_whole_minus_per_group():
    whole, honest = predictions(20, right=0.9, seed=1), predictions(20, right=0.5, seed=2)
    found = optimism_gap(whole, honest)
    assert found["gap"] > 0.2 and found["low"] < found["gap"] < found["high"] and found["p"] < 0.01


def ranked():
    """Six datasets and three methods without ties: rank sums 7, 13 and 16."""
    ranks = [[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 2, 3], [2, 1, 3], [1, 3, 2]]
    return pd.DataFrame(ranks, columns=list("abc")).rsub(4) / 10


def test_ranks_and_friedman_by_hand():
    found = critical_difference(ranked())
    assert found["ranks"] == pytest.approx({"a": 7 / 6, "b": 13 / 6, "c": 16 / 6})
    chi2 = 12 / (6 * 3 * 4) * (7**2 + 13**2 + 16**2) - 3 * 6 * 4
    assert found["chi2"] == pytest.approx(chi2) and found["p"] == pytest.approx(np.exp(-chi2 / 2))
    assert found["f"] == pytest.approx(5 * chi2 / (12 - chi2)) and found["datasets"] == 6


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
    found = critical_difference(scores)
    assert found["ranks"] == {"a": 1.5, "b": 1.5, "c": 3, "d": 4} and 1 < found["critical_difference"] < 1.5
    assert found["groups"] == [["a", "b"], ["c", "d"]]


def test_critical_differences_need_five_datasets_and_three_methods():
    found = critical_difference(ranked().iloc[:4])
    assert found["available"] is False and "4 datasets" in found["reason"]
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
    found = variance_components(scores)
    # within: 3 x 0.0002 / 3; between: 2 x (0.1^2 + 0 + 0.1^2) / 2 = 0.02; search: (0.02 - 0.0002) / 2
    assert found["training_sd"] == pytest.approx(np.sqrt(0.0002)) and found["search_sd"] == pytest.approx(
        np.sqrt(0.0099)
    )
    assert found["search_share"] == pytest.approx(0.0099 / 0.0101) and found["mean"] == pytest.approx(0.61)
    assert found["mean_se"] == pytest.approx(0.1 / np.sqrt(3))


def test_variance_components_are_recovered_and_say_what_they_cannot_tell():
    rng = np.random.default_rng(0)
    rows = []
    for search in range(400):
        level = rng.normal(0.6, 0.03)
        rows += [(search, train, rng.normal(level, 0.02)) for train in range(rng.integers(1, 4))]
    scores = pd.DataFrame(rows, columns=["search_seed", "train_seed", "value"])
    found = variance_components(scores)
    assert found["search_sd"] == pytest.approx(0.03, rel=0.15) and found["training_sd"] == pytest.approx(0.02, rel=0.15)
    one = variance_components(scores[scores["search_seed"] == 1])
    assert one["search_sd"] is None and "one search" in one["reason"]
    single = variance_components(scores[scores["train_seed"] == 0])
    assert single["training_sd"] is None and "cannot be separated" in single["reason"]
    with pytest.raises(ContractError, match="occurs twice"):
        variance_components(pd.concat([scores, scores.iloc[:1]]))
    with pytest.raises(ContractError, match="expected search_seed"):
        variance_components(scores.drop(columns="value"))


def test_runs_are_found_by_folder_path_and_key(tmp_path):
    names = [
        "ckplus-7n/loso/emonas/per_group/s0/t0",
        "ckplus-7n/loso/emonas/per_group/s0/t1",
        "jaffe-7/loso/darts/per_group/s0/t0",
    ]
    for number, name in enumerate(names):
        folder = tmp_path / "runs" / name
        write_parquet(folder / "predictions.parquet", predictions(3))
        write_json(folder / "status.json", {"run_key": f"{number}abc", "status": "ok"})
    assert find_run(str(tmp_path / "runs" / names[0]), tmp_path) == tmp_path / "runs" / names[0]
    assert find_run("jaffe-7", tmp_path) == find_run("2ab", tmp_path) == tmp_path / "runs" / names[2]
    assert find_run(names[1] + "/", tmp_path) == tmp_path / "runs" / names[1]
    with pytest.raises(DataError, match="ckplus: 2 runs start with this"):
        find_run("ckplus", tmp_path)
    with pytest.raises(DataError, match="no such run"):
        find_run("mug", tmp_path)
    with pytest.raises(DataError, match="none below"):
        find_run("mug", tmp_path / "nowhere")


def rejections(draws, test, units=24):
    found = []
    for k in range(draws):
        counts = subjects_at_random(np.random.default_rng([3, units, k]), units, methods=2)
        found.append(test(counts[:1], counts[1:])["p"])
    return np.array(found)


def by_swap(a, b):
    return permutation_test(uar_shares(a) - uar_shares(b))


@pytest.mark.slow
def test_the_permutation_test_holds_its_level_under_the_null():
    p = rejections(1000, by_swap, 24)
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07 and 0.07 <= np.mean(p <= 0.1) <= 0.13
    # with ten subjects, several of whom don't differ, the attainable p are coarse, so the test is on the safe side
    assert 0.005 <= np.mean(rejections(1000, by_swap, 10) <= 0.05) <= 0.06


@pytest.mark.slow
def test_a_test_that_takes_samples_for_independent_would_not():
    """The reason for swapping subjects: McNemar's test on the same draws rejects far too often."""

    def by_sample(a, b):
        hits = [np.diagonal(side[0], axis1=-2, axis2=-1).sum() for side in (a, b)]
        total = int(a.sum())
        pooled = sum(hits) / 2 / total
        z = (hits[0] - hits[1]) / np.sqrt(2 * total * pooled * (1 - pooled))
        return {"p": 2 * stats.norm.sf(abs(z))}

    assert np.mean(rejections(500, by_sample) <= 0.05) > 0.07


def test_the_permutation_test_rejects_rarely_under_the_null_in_a_small_simulation():
    assert np.mean(rejections(80, by_swap, 10) <= 0.05) <= 0.15


def test_probabilities_of_the_helper_point_at_the_answers():
    table = with_probabilities(
        predictions()[["sample_id", "fold", "label"]], np.zeros(60, int), ("a", "b"), np.random.default_rng(0)
    )
    assert (table["p_a"] > table["p_b"]).all()
