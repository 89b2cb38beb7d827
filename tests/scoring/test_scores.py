"""Scores of predictions beside scikit-learn's."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from fernas.core.errors import ConfigError, DataError
from fernas.core.io import to_json
from fernas.scoring.compare import compare_runs
from fernas.scoring.read import read_predictions
from fernas.scoring.scores import score_file, score_predictions, score_seeds
from tests.fixtures.predictions import (
    MEGC_CLASSES,
    megc2019,
    predictions,
)


def truth(table, classes=MEGC_CLASSES):
    values = table[[f"p_{name}" for name in classes]].to_numpy()
    return table["label"].to_numpy(), np.array(classes)[values.argmax(axis=1)]


def test_a_made_up_megc2019_csv_scores_as_scikit_learn_does(tmp_path):
    table = megc2019()
    assert len(table) == 442 and table["subject"].nunique() == 68
    table.to_csv(tmp_path / "predictions.csv", index=False)
    scores = score_file(read_predictions(tmp_path / "predictions.csv"), "megc2019")
    true, predicted = truth(table)
    assert scores["uf1"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-9)
    assert scores["uar"] == pytest.approx(recall_score(true, predicted, average="macro"), abs=1e-9)
    assert scores["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-9)
    assert scores["confusion"] == confusion_matrix(true, predicted, labels=MEGC_CLASSES).tolist()
    assert scores["note"] == "MEGC2019 composite, leave one subject out, 68 of 68 subjects, 442 of 442 clips"
    assert [scores["per_class"][name]["support"] for name in MEGC_CLASSES] == [250, 109, 83]
    assert (scores["samples"], scores["subjects"], scores["folds"], scores["interval_unit"]) == (442, 68, 68, "subject")
    for part, samples in (("casme2", 145), ("samm", 133), ("smic", 164)):
        rows = table[table["sample_id"].str.startswith(part)]
        true, predicted = truth(rows)
        assert scores["per_dataset"][part]["samples"] == samples
        assert scores["per_dataset"][part]["uf1"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-9)
    json.loads(to_json(scores))


def test_folds_are_pooled_and_their_mean_has_its_own_name():
    table = megc2019()
    scores = score_predictions(table)
    parts = [recall_score(*truth(rows), average="macro", labels=sorted(set(rows["label"])), zero_division=0)
             for _, rows in table.groupby("fold")]  # fmt: skip
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


def test_seeds_of_the_same_predictions_are_no_new_evidence():
    table = megc2019()
    one, three = score_predictions(table), score_seeds([table] * 3)
    assert three["interval"]["uar"] == pytest.approx(one["interval"]["uar"])


def test_a_class_without_samples_is_left_out_of_the_means():
    table = predictions(classes=("a", "b", "c"))
    table = table[table["label"] != "c"].reset_index(drop=True)
    scores = score_predictions(table)
    recalls = [scores["per_class"][name]["recall"] for name in ("a", "b")]
    assert scores["uar"] == pytest.approx(np.mean(recalls)) and scores["per_class"]["c"]["recall"] is None
    assert scores["redrawn"] == 0


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
    assert scores["uar"] == pytest.approx(1 / 3) and scores["interval"]["uar"] == [None, None]


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


def test_undefined_folds_are_left_out_of_the_mean_of_folds():
    table = predictions()
    one_class = table["fold"] == 0
    table = table[~one_class | (table["label"] == "a")].reset_index(drop=True)
    table.loc[table["fold"] == 0, ["p_a", "p_b", "p_c"]] = [1.0, 0.0, 0.0]
    scores = score_predictions(table)["mean_of_folds"]
    others = [score_predictions(table[table["fold"] == fold])["kappa"] for fold in (1, 2, 3)]
    assert scores["kappa"] == pytest.approx(np.mean(others)) and scores["folds"] == 4


def two_datasets():
    """Six people, three of each of two datasets, who have the same names in both; one fold per person."""
    import pandas as pd

    one, two = predictions(subjects=3, seed=1), predictions(subjects=3, seed=2)
    parts = [one.assign(dataset="A"), two.assign(dataset="B", sample_id="e" + two["sample_id"])]
    table = pd.concat(parts, ignore_index=True)
    table["subject"] = [name.removeprefix("d/") for name in table["subject"]]
    return table.assign(fold=table["dataset"] + table["subject"])


def test_subjects_of_one_name_in_two_datasets_are_different_people(tmp_path):
    two_datasets().to_csv(tmp_path / "p.csv", index=False)
    table = read_predictions(tmp_path / "p.csv")
    scores = score_file(table, "loso")
    assert (scores["units"], scores["subjects"], scores["note"]) == (6, 6, "leave one subject out, 6 subjects")
    assert set(scores["per_subject"]) == {f"{part}/s0{k}" for part in "AB" for k in range(3)}
    assert score_file(two_datasets(), "loso") == scores  # from a table as from a file
    other = score_predictions(table.assign(subject=table["subject"].str.replace("/", "-")))
    assert other["interval"] == scores["interval"]
    assert compare_runs(two_datasets(), two_datasets())["units"] == 6


def test_names_of_subjects_stay_where_one_dataset_has_them():
    table = two_datasets()
    assert set(score_file(table[table["dataset"] == "A"], "loso")["per_subject"]) == {"s00", "s01", "s02"}


@pytest.mark.parametrize("protocol", ["loso", "megc2019"])
def test_folds_that_cut_subjects_or_hold_several_are_no_loso(protocol):
    table = two_datasets()
    assert score_file(table, protocol)["folds"] == 6
    cut = table.assign(fold=[k % 2 for k in range(len(table))])
    message = f"subject A/s00 is tested with fold 0, 1; {protocol} tests all samples of a subject in one fold"
    with pytest.raises(DataError, match=message):
        score_file(cut, protocol)
    with pytest.raises(DataError, match=f"fold 0 is tested with subject A/s00, A/s01, A/s02; {protocol} tests one"):
        score_file(table.assign(fold=0), protocol)


def test_folds_of_subjects_may_hold_several_but_cut_none():
    assert score_file(predictions(), "subject_kfold")["folds"] == 4
    cut = predictions().assign(fold=[k % 2 for k in range(60)])
    with pytest.raises(DataError, match="subject_kfold tests all samples of a subject in one fold"):
        score_file(cut, "subject_kfold")
    assert score_file(cut, "ck48_blocks")["folds"] == 2  # a replica of a split that does
