import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ConfigError
from fernas.core.seeds import rng
from fernas.learn.arrays import ArrayPart
from fernas.learn.fes import CLASSES
from studies.label_noise import (
    PHASE,
    RECIPE,
    Splits,
    finished,
    mean_interval,
    pair_noise,
    partners,
    run_study,
    summary,
    swap_scores,
    symmetric_noise,
)
from tests.fixtures.toy_task import make_images


def test_planted_noise_has_the_rate_and_the_kind_asked_for():
    labels = np.arange(700) % 7
    noisy = symmetric_noise(labels, 0.2, 7, rng(0, "a"))
    changed = noisy != labels
    assert changed.sum() == 140
    shifts = np.bincount((noisy - labels)[changed] % 7, minlength=7)
    assert shifts[0] == 0 and (shifts[1:] > 8).all()
    partner = np.array([1, 0, 3, 2, 5, 6, 4])
    noisy = pair_noise(labels, 0.1, partner, rng(0, "b"))
    changed = noisy != labels
    assert changed.sum() == 70 and (noisy[changed] == partner[labels[changed]]).all()


def test_partners_are_the_most_frequent_wrong_answers():
    assert partners(np.array([[9, 1, 3], [0, 5, 0], [2, 2, 1]])).tolist() == [2, 0, 0]


def test_precision_and_recall_of_swaps_by_hand():
    """Samples 0 and 1 are corrupted (true 0, learned 1); 0 was swapped right twice and wrong once, 2 was clean."""
    true, noisy = np.array([0, 0, 2, 1]), np.array([1, 1, 2, 1])
    times = np.array([[2, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
    scores = swap_scores(times, np.array([0, -1, 0, -1]), true, noisy)
    assert scores["swaps"] == 4 and scores["precision"] == 0.5 and scores["recall"] == 0.5
    assert (scores["swaps_last"], scores["precision_last"], scores["recall_last"]) == (2, 0.5, 0.5)
    nothing = swap_scores(np.zeros((4, 3), int), np.full(4, -1), true, true)
    assert nothing["swaps"] == 0 and np.isnan(nothing["precision"]) and np.isnan(nothing["recall"])


def test_interval_of_a_mean():
    mean, half = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.302652729911275 / np.sqrt(3))
    assert mean_interval([1.0, float("nan")])[0] == 1.0 and np.isnan(mean_interval([float("nan")])[0])


def test_a_tiny_study_end_to_end(tmp_path):
    images, labels = make_images(42, 16, classes=7)
    part = ArrayPart.of(images, labels)
    augment = RECIPE.augment.model_copy(update={"crop": None})
    short = PHASE.model_copy(update={"epochs": 2})
    recipe = RECIPE.model_copy(update={"epochs": 2, "augment": augment, "relabel": short})
    splits = Splits(part, part, part, list(CLASSES))
    saved = []
    table = run_study(splits, [0.25], 2, recipe, pd.DataFrame(), saved.append)
    assert len(table) == 2 * 3 * 3 and set(table["noise"]) == {"none", "symmetric", "pairs"}
    assert (table.loc[table["strategy"] == 0, ["swaps", "admitted"]].fillna(0) == 0).all(axis=None)
    planted = table[table["noise"] != "none"]
    assert (planted.loc[planted["strategy"] == 1, "admitted"] == 1).all()
    assert planted["recall"].le(planted["admitted"] + 1e-12).all()
    assert table["accuracy"].between(0, 1).all()
    assert [len(part) for part in saved] == [3, 6, 9, 12, 15, 18]
    again = run_study(splits, [0.25], 1, recipe, saved[1], saved.append)
    pd.testing.assert_frame_equal(again, table[:9])
    text = summary(table)
    assert text.count("\n") == 2 + 9 and "symmetric, 25 %" in text and "±" in text


def test_what_is_finished_is_taken_from_the_file_unless_it_comes_from_other_settings(tmp_path):
    path = tmp_path / "study.csv"
    assert not len(finished(path, {"training": 9}))
    pd.DataFrame({"seed": [0, 0, 1], "training": 9}).to_csv(path, index=False)
    assert finished(path, {"training": 9}).to_dict("list") == {"seed": [0, 0, 1]}
    with pytest.raises(ConfigError, match="was made with training"):
        finished(path, {"training": 8})
