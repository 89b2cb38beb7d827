import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.core.plugins import load
from tests.fixtures.sample_tables import anonymous, regular, table_of, tables

units_protocols = st.sampled_from(
    [("loso", {}), ("subject_kfold", {"folds": 3}), ("subject_kfold", {"folds": 4, "assignment": "modulo"})]
)


@settings(max_examples=40, deadline=None)
@given(tables(), units_protocols, st.integers(0, 5))
def test_every_sample_is_tested_once_and_no_subject_is_on_both_sides(table, protocol, seed):
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


def test_loso_has_one_fold_per_subject_in_natural_order():
    table = table_of({"s10": ["anger"], "s9": ["fear", "anger"], "s1": ["fear"]})
    folds = load("protocols", "loso").split(table, {}, 0)
    assert [fold.name for fold in folds] == ["dataset/s1", "dataset/s9", "dataset/s10"]
    assert folds[1].test == ("dataset/s9/c0", "dataset/s9/c1")


def test_modulo_deals_sorted_subjects_out():
    folds = load("protocols", "subject_kfold").split(regular(7), {"folds": 3, "assignment": "modulo"}, 0)
    assert [sorted({i.split("/")[1] for i in fold.test}) for fold in folds] == [
        ["S000", "S003", "S006"], ["S001", "S004"], ["S002", "S005"],
    ]  # fmt: skip


def test_balanced_folds_share_a_class_out_where_modulo_does_not():
    labels = {f"s{n:02d}": ["anger"] * 3 + (["fear"] if n % 3 == 0 else []) for n in range(12)}
    table = table_of(labels)
    fear = set(table.loc[table["label"] == "fear", "sample_id"])

    def fears(assignment):
        folds = load("protocols", "subject_kfold").split(table, {"folds": 3, "assignment": assignment}, 0)
        return sorted(len(fear & set(fold.test)) for fold in folds)

    assert fears("modulo") == [0, 0, 4] and fears("balanced") == [1, 1, 2]


def test_balanced_folds_depend_on_the_seed():
    table = regular(12)
    of = [load("protocols", "subject_kfold").split(table, {"folds": 4}, seed) for seed in range(4)]
    assert any(folds != of[0] for folds in of[1:])


def test_groups_take_the_place_of_subjects():
    table = anonymous(12, {"train": 12})
    table["group"] = [f"g{number // 3}" for number in range(12)]
    folds = load("protocols", "subject_kfold").split(table, {"folds": 4}, 0)
    assert sorted(len({table["group"][int(i.split("/")[1])] for i in fold.test}) for fold in folds) == [1, 1, 1, 1]


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


def test_megc2019_is_loso_over_three_datasets_and_says_how_many_subjects():
    import pandas as pd

    labels = ("negative", "positive", "surprise")
    table = pd.concat([regular(n, 1, d, labels) for d, n in (("casme2", 4), ("smic", 3), ("samm", 5))])
    protocol = load("protocols", "megc2019")
    assert len(protocol.split(table, {}, 0)) == 12
    assert protocol.note(table, {}).endswith("12 of 68 subjects, 36 of 442 clips")
    with pytest.raises(DataError, match="dataset: got casme2, samm; expected casme2, samm, smic"):
        protocol.split(table[table["dataset"] != "smic"], {}, 0)
    with pytest.raises(DataError, match="label: got negative, surprise; expected"):
        protocol.split(table[table["label"] != "positive"], {}, 0)


def test_loso_can_state_its_number_of_subjects():
    assert load("protocols", "loso").note(regular(4), {"subjects": 24}) == "leave one subject out, 4 of 24 subjects"
    with pytest.raises(DataError, match="got 4 subjects, expected 24"):
        load("protocols", "loso").split(regular(4), {"subjects": 24, "exact": True}, 0)


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
        ("official", {}, anonymous(8, {"Training": 4, "extra": 4}), "no side for the split 'extra'"),
        ("official", {}, anonymous(8, {"Training": 8}), "no test side"),
        ("official", {"train": ["a", "b"], "test": ["b"]}, anonymous(8, {"a": 4, "b": 4}), "'b' stands on two sides"),
    ],
)
def test_bad_input_gives_one_clear_message(kind, options, table, says):
    with pytest.raises(DataError, match=says) as caught:
        load("protocols", kind).split(table, options, 0)
    assert "\n" not in str(caught.value)


def test_a_wrong_option_is_named_with_its_nearest():
    with pytest.raises(ConfigError, match=r"protocol subject_kfold: options: fold: unknown key \(did you mean 'folds'"):
        load("protocols", "subject_kfold").split(regular(4), {"fold": 3}, 0)
