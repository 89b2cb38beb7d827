"""Leave one subject out."""

import pytest

from fernas.core.errors import DataError
from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    regular,
    table_of,
)


def test_loso_has_one_fold_per_subject_in_natural_order():
    table = table_of({"s10": ["anger"], "s9": ["fear", "anger"], "s1": ["fear"]})
    folds = load("protocols", "loso").split(table, {}, 0)
    assert [fold.name for fold in folds] == ["dataset/s1", "dataset/s9", "dataset/s10"]
    assert folds[1].test == ("dataset/s9/c0", "dataset/s9/c1")


def test_loso_can_state_its_number_of_subjects():
    assert load("protocols", "loso").note(regular(4), {"subjects": 24}) == "leave one subject out, 4 of 24 subjects"
    with pytest.raises(DataError, match="got 4 subjects, expected 24"):
        load("protocols", "loso").split(regular(4), {"subjects": 24, "exact": True}, 0)
