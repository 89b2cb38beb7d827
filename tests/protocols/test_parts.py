"""Weights, selection and inner validation of a train split."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import ContractError, DataError
from fernas.protocols._base import checked
from fernas.protocols.parts import NAMES, PartSplitter
from tests.fixtures.sample_tables import (
    LABELS,
    SHARES,
    regular,
    table_of,
    tables,
    units_of,
)


def split_parts(ids, table, fractions, seed, name="all"):
    return PartSplitter(checked(table, "parts"), fractions, seed).split(ids, name)


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(0, 9))
def test_parts_cover_the_train_split_and_share_no_subject(table, seed):
    parts = split_parts(list(table["sample_id"]), table, SHARES, seed).document()
    assert sorted(i for name in NAMES for i in parts[name]) == sorted(table["sample_id"])
    unit_sets = units_of(parts, table)
    assert all(unit_sets) and sum(map(len, unit_sets)) == len(set.union(*unit_sets))
    assert (
        set(table["label"]) == set(table.set_index("sample_id").loc[parts["weights"], "label"])
        or len(unit_sets[0]) == len(set.union(*unit_sets)) - 2
    )


@settings(max_examples=20, deadline=None)
@given(tables(), st.integers(0, 9))
def test_parts_are_order_free_and_seed_stable(table, seed):
    ids = list(table["sample_id"])
    assert split_parts(ids, table, SHARES, seed) == split_parts(ids[::-1], table.iloc[::-1], SHARES, seed)


def test_parts_keep_the_shares_for_every_class():
    table = regular(40, per_class=1)
    parts = split_parts(list(table["sample_id"]), table, SHARES, 0)
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    for ids, share in zip((parts.weights, parts.selection, parts.inner_validation), (0.5, 0.3, 0.2), strict=True):
        assert Counter(label[i] for i in ids) == dict.fromkeys(LABELS, 40 * share)


def test_names_of_parts_give_independent_streams():
    table = regular(20)
    ids = list(table["sample_id"])
    assert split_parts(ids, table, SHARES, 0, "fold a") != split_parts(ids, table, SHARES, 0, "fold b")


def test_a_class_of_one_subject_is_learnt():
    table = table_of({f"s{n}": ["anger"] * 2 + (["fear"] if n == 3 else []) for n in range(9)})
    for seed in range(10):
        assert "dataset/s3/c2" in split_parts(list(table["sample_id"]), table, SHARES, seed).weights


def test_three_subjects_are_enough_and_two_are_not():
    table = regular(3)
    parts = split_parts(list(table["sample_id"]), table, SHARES, 0).document()
    assert [len(units) for units in units_of(parts, table)] == [1, 1, 1]
    train = list(table.loc[table["subject"] != "dataset/S000", "sample_id"])
    with pytest.raises(
        DataError, match=r"parts of all: got 2 subjects in the train split, fewer subjects than parts \(3"
    ):
        split_parts(train, table, SHARES, 0)


def test_shares_that_make_no_sense_and_unknown_ids_are_refused():
    table = regular(5)
    with pytest.raises(ContractError, match="sum to 1"):
        split_parts(list(table["sample_id"]), table, SHARES | {"weights": 0.9}, 0)
    with pytest.raises(ContractError, match="no sample 'ghost'"):
        split_parts(["ghost"], table, SHARES, 0)
