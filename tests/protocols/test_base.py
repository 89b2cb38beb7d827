"""What all protocols of subjects share: cover, disjoint subjects, freedom of order, messages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    anonymous,
    regular,
    tables,
)

units_protocols = st.sampled_from(
    [("loso", {}), ("subject_kfold", {"folds": 3}), ("subject_kfold", {"folds": 4, "assignment": "modulo"})]
)


@settings(max_examples=40, deadline=None)
@given(tables(), units_protocols, st.integers(0, 5))
def test_every_sample_is_tested_once_and_no_subject_is_in_both_splits(table, protocol, seed):
    kind, options = protocol
    folds = load("protocols", kind).split(table, options, seed)
    subject = dict(zip(table["sample_id"], table["subject"], strict=True))
    assert sorted(i for fold in folds for i in fold.test) == sorted(subject)
    for fold in folds:
        assert fold.test and sorted(fold.train + fold.test) == sorted(subject)
        assert {subject[i] for i in fold.train}.isdisjoint({subject[i] for i in fold.test})


@settings(max_examples=20, deadline=None)
@given(tables(), units_protocols, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_and_a_seed_gives_the_same_folds(table, protocol, seed, random):
    kind, options = protocol
    order = list(range(len(table)))
    random.shuffle(order)
    folds = load("protocols", kind).split(table, options, seed)
    assert load("protocols", kind).split(table.iloc[order], options, seed) == folds


def without_some_subjects():
    table = regular(4)
    table.loc[5, "subject"] = None
    return table


def unlabelled():
    table = regular(4)
    table.loc[5, "label"] = None
    return table


@pytest.mark.parametrize(
    ("kind", "options", "table", "says"),
    [
        ("loso", {}, regular(1), r"got one subject \('dataset/S000'\), expected at least two"),
        ("loso", {}, anonymous(8, {"train": 8}), "wild has no subjects"),
        ("loso", {}, regular(4).iloc[:0], "got no samples"),
        ("loso", {}, without_some_subjects(), "1 of 32 samples have no subject, first 'dataset/S000/c5'"),
        ("loso", {}, unlabelled(), "1 samples have no label, first 'dataset/S000/c5'"),
        ("subject_kfold", {"folds": 5}, regular(4), r"got 4 subjects, fewer subjects than folds \(5\)"),
        ("official", {}, regular(4), "no official split"),
        ("official", {}, anonymous(8, {"Training": 4, "extra": 4}), "the options do not name the split 'extra'"),
        ("official", {}, anonymous(8, {"Training": 8}), "no test split"),
        (
            "official",
            {"train": ["a", "b"], "test": ["b"]},
            anonymous(8, {"a": 4, "b": 4}),
            "the options name 'b' twice",
        ),
    ],
)
def test_bad_input_gives_one_clear_message(kind, options, table, says):
    with pytest.raises(DataError, match=says) as caught:
        load("protocols", kind).split(table, options, 0)
    assert "\n" not in str(caught.value)


def test_a_wrong_option_is_named_with_its_nearest():
    with pytest.raises(ConfigError, match=r"protocol subject_kfold: options: fold: unknown key \(did you mean 'folds'"):
        load("protocols", "subject_kfold").split(regular(4), {"fold": 3}, 0)
