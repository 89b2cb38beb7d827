"""Predictions of seeds on the same samples, and their units of resampling."""

import numpy as np
import pytest

from fernas.core.errors import ContractError
from fernas.metrics import all_metrics, confusion
from fernas.scoring.predictions import stack_seeds
from fernas.scoring.scores import score_predictions, score_seeds
from tests.fixtures.predictions import megc2019, predictions, with_probabilities


def test_seeds_on_other_samples_are_refused_by_name():
    table = megc2019()
    with pytest.raises(ContractError, match="sample 'samm/006/clip00' is in one and not in the other"):
        score_seeds([table, table.iloc[1:]])
    with pytest.raises(ContractError, match="sample 'samm/006/clip00' has the label 'negative' in one and 'surprise'"):
        other = table.copy()
        other.loc[0, "label"] = "surprise"
        score_seeds([table, other])


def test_without_subjects_the_unit_is_the_image_or_the_duplicate_set():
    table = predictions(anonymous=True)
    assert score_predictions(table)["interval_unit"] == "image" and score_predictions(table)["per_subject"] == {}
    grouped = table.assign(group=[f"g{row // 2}" for row in range(len(table))])
    assert score_predictions(grouped)["interval_unit"] == "duplicate set"
    assert score_predictions(grouped)["units"] == 30
    assert score_predictions(table.assign(group=table["sample_id"]))["interval_unit"] == "image"


def test_the_fixture_makes_the_given_predictions():
    table = with_probabilities(
        predictions()[["sample_id", "fold", "label"]], np.zeros(60, int), ("a", "b"), np.random.default_rng(0)
    )
    assert (table["p_a"] > table["p_b"]).all()


def test_confusions_of_units_sum_to_those_of_all_samples_and_a_subset_has_its_own():
    stacked = stack_seeds([predictions(seed=1), predictions(seed=2)])
    names, matrices = stacked.unit_confusions()
    assert names == sorted(set(stacked.units)) and matrices.shape == (2, 10, 3, 3)
    for seed in range(2):
        expected = confusion(stacked.true, stacked.predicted[seed], 3)
        assert np.array_equal(matrices[seed].sum(axis=0), expected)
    subset = stacked.subset(stacked.units == names[3])
    assert subset.unit_confusions()[0] == [names[3]] and len(subset.rows) == 6
    assert np.array_equal(subset.unit_confusions()[1][:, 0], matrices[:, 3])


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_scores_of_disjoint_sets_are_those_of_each_set_alone(metric):
    stacked = stack_seeds([predictions(seed=1), predictions(seed=2)])
    index = np.arange(len(stacked.true)) % 2
    scores = stacked.scores(metric, index, 2)
    alone = [stacked.subset(index == number).pooled_scores(metric) for number in range(2)]
    assert scores.shape == (2, 2) and scores == pytest.approx(np.stack(alone, axis=1))


def test_other_folds_and_other_subjects_are_refused_by_name():
    table = predictions()
    with pytest.raises(ContractError, match="seeds 0 and 1: the same samples are in other folds"):
        stack_seeds([table, table.assign(fold=table["fold"].iloc[::-1].to_numpy())])
    with pytest.raises(ContractError, match="sample 'd/s00/0' has the subject 'd/s00' in one and 'd/x' in the other"):
        stack_seeds([table, table.assign(subject=["d/x", *table["subject"][1:]])])
    with pytest.raises(ContractError, match="no predictions"):
        stack_seeds([])
