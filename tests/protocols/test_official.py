"""A dataset's own split."""

from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    anonymous,
)


def test_official_follows_the_split_and_public_test_is_inner_validation():
    table = anonymous(20, {"Training": 12, "PublicTest": 4, "PrivateTest": 4})
    protocol = load("protocols", "official")
    (fold,) = protocol.split(table, {}, 0)
    assert len(fold.train) == 16 and len(fold.test) == 4 and len(fold.inner_validation) == 4
    assert set(fold.inner_validation) == set(table.loc[table["split"] == "PublicTest", "sample_id"])
    (fold,) = protocol.split(table, {"inner_validation": [], "train": ["Training", "PublicTest"]}, 0)
    assert len(fold.train) == 16 and fold.inner_validation is None
    (fold,) = protocol.split(table, {"inner_validation": [], "unused": ["PublicTest"]}, 0)
    assert len(fold.train) == 12


def test_units_of_a_dataset_without_subjects_are_no_groups_of_people():
    table = anonymous(6, {"Training": 4, "PrivateTest": 2})
    note = load("protocols", "official").note(table, {})
    assert note == "official split, 6 samples of unnamed subjects"
    table["group"] = ["a", "a", "b", "c", "d", "d"]
    assert load("protocols", "official").note(table, {}) == "official split, 4 sequences"
