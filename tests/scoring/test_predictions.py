"""Predictions of seeds on the same samples, and their units of resampling."""

import numpy as np
import pytest

from fernas.core.errors import ContractError
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
