import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import to_json
from fernas.metrics import Metric, accuracy, all_metrics, uar, uf1
from fernas.scoring.intervals import bootstrap_intervals, studentised
from fernas.scoring.read import read_predictions
from fernas.scoring.scores import score_file, score_predictions, score_seeds
from tests.scoring.made_up import MEGC_CLASSES, megc2019, posed_at_random, predictions, subjects_at_random

METRICS = [metric for metric in all_metrics() if metric.of_confusion is not None]


def truth(table, classes=MEGC_CLASSES):
    values = table[[f"p_{name}" for name in classes]].to_numpy()
    return table["label"].to_numpy(), np.array(classes)[values.argmax(axis=1)]


def test_a_made_up_megc2019_csv_scores_as_scikit_learn_does(tmp_path):
    table = megc2019()
    assert len(table) == 442 and table["subject"].nunique() == 68
    table.to_csv(tmp_path / "predictions.csv", index=False)
    scores = score_file(read_predictions(tmp_path / "predictions.csv"), "megc2019")
    true, answer = truth(table)
    assert scores["uf1"] == pytest.approx(f1_score(true, answer, average="macro"), abs=1e-9)
    assert scores["uar"] == pytest.approx(recall_score(true, answer, average="macro"), abs=1e-9)
    assert scores["accuracy"] == pytest.approx(accuracy_score(true, answer), abs=1e-9)
    assert scores["confusion"] == confusion_matrix(true, answer, labels=MEGC_CLASSES).tolist()
    assert scores["note"] == "MEGC2019 composite, leave one subject out, 68 of 68 subjects, 442 of 442 clips"
    assert [scores["per_class"][name]["support"] for name in MEGC_CLASSES] == [250, 109, 83]
    assert (scores["samples"], scores["subjects"], scores["folds"], scores["interval_unit"]) == (442, 68, 68, "subject")
    for part, samples in (("casme2", 145), ("samm", 133), ("smic", 164)):
        own = table[table["sample_id"].str.startswith(part)]
        true, answer = truth(own)
        assert scores["per_dataset"][part]["samples"] == samples
        assert scores["per_dataset"][part]["uf1"] == pytest.approx(f1_score(true, answer, average="macro"), abs=1e-9)
    json.loads(to_json(scores))


def test_folds_are_pooled_and_their_mean_has_its_own_name():
    table = megc2019()
    scores = score_predictions(table)
    parts = [recall_score(*truth(own), average="macro", labels=sorted(set(own["label"])), zero_division=0)
             for _, own in table.groupby("fold")]  # fmt: skip
    assert scores["mean_of_folds"]["uar"] == pytest.approx(np.mean(parts), abs=1e-12)
    assert scores["mean_of_folds"]["folds"] == 68 and abs(scores["mean_of_folds"]["uar"] - scores["uar"]) > 0.01


def test_rows_in_any_order_and_a_seed_give_the_same_scores():
    table = megc2019()
    scores = score_predictions(table, seed=5)
    assert score_predictions(table.sample(frac=1, random_state=1), seed=5) == scores
    assert score_predictions(table, seed=6)["interval"] != scores["interval"]


def test_seeds_are_scored_one_by_one_and_averaged():
    tables = [megc2019(seed, right) for seed, right in ((0, 0.5), (1, 0.6), (2, 0.7))]
    tables = [table.assign(label=tables[0]["label"]) for table in tables]
    scores = score_seeds(tables)
    each = [score_predictions(table) for table in tables]
    for name in ("accuracy", "uf1", "uar"):
        assert scores[name] == pytest.approx(np.mean([one[name] for one in each]), abs=1e-12)
        assert [one[name] for one in scores["per_seed"]] == pytest.approx([one[name] for one in each])
        assert scores["sd"][name] == pytest.approx(np.std([one[name] for one in each], ddof=1))
    assert np.array(scores["confusion"]).sum() == 3 * 442 and scores["seeds"] == 3
    low, high = scores["interval"]["uar"]
    assert low < scores["uar"] < high
    subject = scores["per_subject"]["samm/006"]
    rows = tables[0]["subject"] == "samm/006"
    right = [np.mean(np.equal(*truth(table[rows]))) for table in tables]
    assert subject == {"samples": 11, "accuracy": pytest.approx(np.mean(right))}


def test_seeds_of_the_same_answers_are_no_new_evidence():
    table = megc2019()
    one, three = score_predictions(table), score_seeds([table] * 3)
    assert three["interval"]["uar"] == pytest.approx(one["interval"]["uar"])


def test_seeds_on_other_samples_are_refused_by_name():
    table = megc2019()
    with pytest.raises(ContractError, match="sample 'samm/006/clip00' is in one and not in the other"):
        score_seeds([table, table.iloc[1:]])
    with pytest.raises(ContractError, match="sample 'samm/006/clip00' has the label 'negative' in one and 'surprise'"):
        other = table.copy()
        other.loc[0, "label"] = "surprise"
        score_seeds([table, other])


def test_a_class_without_samples_is_left_out_of_the_means():
    table = predictions(classes=("a", "b", "c"))
    table = table[table["label"] != "c"].reset_index(drop=True)
    scores = score_predictions(table)
    recalls = [scores["per_class"][name]["recall"] for name in ("a", "b")]
    assert scores["uar"] == pytest.approx(np.mean(recalls)) and scores["per_class"]["c"]["recall"] is None
    assert scores["redrawn"] == 0


def test_resamples_that_miss_a_class_are_redrawn_and_counted():
    table = predictions(subjects=6)
    table = table[(table["label"] != "c") | (table["subject"] == "d/s00")].reset_index(drop=True)
    scores = score_predictions(table, resamples=1000)
    missing = (5 / 6) ** 6  # of the resamples lack the one subject
    assert scores["redrawn"] == pytest.approx(1000 * missing / (1 - missing), rel=0.15)
    assert None not in scores["interval"]["uar"]


def test_without_subjects_the_unit_is_the_image_or_the_duplicate_group():
    table = predictions(anonymous=True)
    assert score_predictions(table)["interval_unit"] == "image" and score_predictions(table)["per_subject"] == {}
    grouped = table.assign(group=[f"g{row // 2}" for row in range(len(table))])
    assert score_predictions(grouped)["interval_unit"] == "duplicate set"
    assert score_predictions(grouped)["units"] == 30
    assert score_predictions(table.assign(group=table["sample_id"]))["interval_unit"] == "image"


def test_one_subject_alone_has_no_interval():
    scores = score_predictions(predictions(subjects=1, each=12))
    assert scores["interval"]["uar"] == [None, None] and scores["resamples"] == 0


def test_scores_with_and_without_samples_whose_face_was_not_found():
    table = predictions().assign(face_status="ok")
    table.loc[:9, "face_status"] = "no_face"
    scores = score_predictions(table)
    assert scores["without_no_face"]["left_out"] == 10 and scores["without_no_face"]["samples"] == 50
    assert scores["without_no_face"]["uar"] == pytest.approx(score_predictions(table.iloc[10:])["uar"])
    assert score_predictions(predictions())["without_no_face"] is None
    assert score_predictions(table.assign(face_status="no_face"))["without_no_face"]["uar"] is None


def test_a_constant_predictor_is_flagged():
    table = predictions()
    assert score_predictions(table)["constant_predictor"] is False
    scores = score_predictions(table.assign(p_a=0.0, p_b=1.0, p_c=0.0))
    assert scores["constant_predictor"] is True and scores["top_prediction"] == {"class": "b", "share": 1.0}
    assert scores["uar"] == pytest.approx(1 / 3) and scores["interval"]["uar"] == pytest.approx([1 / 3, 1 / 3])


def test_a_network_that_knows_one_class_per_fold_is_flagged():
    table = predictions()
    assert score_predictions(table)["constant_folds"] == []
    first = table["fold"].min()
    table.loc[table["fold"] == first, ["p_a", "p_b", "p_c"]] = [0.1, 0.2, 0.7]
    scores = score_predictions(table)
    assert scores["constant_folds"] == [str(first)] and scores["constant_predictor"] is False
    few = table.drop(table.index[table["fold"] == first][9:])  # nine samples may be answered alike
    assert score_predictions(few)["constant_folds"] == []


def test_a_repeated_protocol_may_test_a_sample_twice_and_others_may_not():
    table = predictions()
    twice = table.assign(fold=table["fold"] + 10)
    import pandas as pd

    both = pd.concat([table, twice], ignore_index=True)
    assert score_file(both, "random_8020")["samples"] == 120
    with pytest.raises(DataError, match="sample 'd/s00/0' is tested twice; loso tests each sample once"):
        score_file(both, "loso")
    with pytest.raises(DataError, match="sample 'd/s00/0' has no subject; loso goes by subjects"):
        score_file(predictions(anonymous=True), "loso")
    with pytest.raises(ConfigError, match=r"'lose' \(did you mean 'loso'\?\)"):
        score_file(table, "lose")
    assert score_file(predictions(anonymous=True), "official")["interval_unit"] == "image"


def test_the_studentised_interval_by_hand():
    values, errors = np.linspace(0.4, 0.6, 101), np.full(101, 0.05)
    # ratios run from -2 to 2 in steps of 0.04; their 2.5 % and 97.5 % places are 2 and 98
    low, high = studentised(0.5, 0.1, values, errors, 0.95)
    assert (low, high) == pytest.approx((0.5 - 1.92 * 0.1, 0.5 + 1.92 * 0.1))
    assert studentised(0.97, 0.1, values + 0.47, errors, 0.95)[1] == 1.0
    assert studentised(1.0, 0.0, np.ones(5), np.zeros(5)) == (1.0, 1.0)


def test_an_interval_stays_finite_where_few_subjects_make_the_difference():
    table = predictions(16).assign(p_a=1.0, p_b=0.0, p_c=0.0)
    table.loc[(table["label"] == "b") & (table["subject"] < "d/s02"), ["p_a", "p_b"]] = [0.0, 1.0]
    low, high = score_predictions(table)["interval"]["uar"]
    assert low < score_predictions(table)["uar"] < high < 0.6


def test_the_linearised_error_is_that_of_a_proportion():
    # one sample per unit: the standard error of accuracy is sqrt(p (1 - p) / n), so the interval is about t times that
    answers = np.zeros((1, 400, 2, 2), int)
    answers[0, :300, 0, 0] = 1
    answers[0, 300:, 0, 1] = 1
    found = bootstrap_intervals(answers, [accuracy], np.random.default_rng(0), 4000)
    low, high = found.bounds["accuracy"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.05)


@pytest.mark.parametrize("metric", [accuracy, uf1, uar], ids=lambda metric: metric.name)
def test_the_error_of_any_smooth_function_of_the_counts_equals_that_of_a_mean_of_ratios(metric):
    counts = subjects_at_random(np.random.default_rng(0), 30, methods=2)
    smooth = Metric(name="smooth", title="", of_confusion=metric.of_confusion)
    for weights in (None, np.array([1.0, -1.0])):
        bounds = bootstrap_intervals(counts, [metric, smooth], np.random.default_rng(1), 300, weights=weights).bounds
        assert bounds["smooth"] == pytest.approx(bounds[metric.name], abs=1e-7)


def test_intervals_of_kappa_and_mcc_may_be_negative_and_that_of_auroc_is_null():
    scores = score_predictions(predictions(right=0.0, seed=3))
    for name in ("kappa", "mcc"):
        low, high = scores["interval"][name]
        assert -1 <= low < scores[name] < high <= 1 and low < 0
    assert scores["interval"]["auroc"] == [None, None] and 0 < scores["auroc"] < 1


def test_undefined_folds_are_left_out_of_the_mean_of_folds():
    table = predictions()
    one_class = table["fold"] == 0
    table = table[~one_class | (table["label"] == "a")].reset_index(drop=True)
    table.loc[table["fold"] == 0, ["p_a", "p_b", "p_c"]] = [1.0, 0.0, 0.0]
    scores = score_predictions(table)["mean_of_folds"]
    others = [score_predictions(table[table["fold"] == fold])["kappa"] for fold in (1, 2, 3)]
    assert scores["kappa"] == pytest.approx(np.mean(others)) and scores["folds"] == 4


def coverage(draw, units, draws=1000, resamples=500):
    """Share of draws whose interval covers the value of the population."""
    population = sum(draw(np.random.default_rng([1, k]), 50_000).sum(axis=1) for k in range(4))
    hits = {metric.name: 0 for metric in METRICS}
    for k in range(draws):
        rng = np.random.default_rng([2, units, k])
        found = bootstrap_intervals(draw(rng, units), METRICS, rng, resamples)
        for metric in METRICS:
            low, high = found.bounds[metric.name]
            hits[metric.name] += low <= float(metric.of_confusion(population)[0]) <= high
    return {name: count / draws for name, count in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("units", [24, 68])
@pytest.mark.parametrize("draw", [subjects_at_random, posed_at_random])
def test_intervals_cover_as_they_say_with_correlated_samples_in_subjects(draw, units):
    for name, share in coverage(draw, units).items():
        assert 0.93 <= share <= 0.97, (name, share)


@pytest.mark.slow
def test_with_ten_subjects_intervals_cover_a_little_less():
    for name, share in coverage(subjects_at_random, 10).items():
        assert 0.90 <= share <= 0.97, (name, share)


def test_intervals_cover_in_a_small_simulation():
    shares = coverage(posed_at_random, 24, draws=60, resamples=200)
    assert all(share >= 0.85 for share in shares.values()), shares
