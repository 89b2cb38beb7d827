from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ContractError, DataError
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import make_folds
from fernas.protocols.parts import NAMES, split_parts
from tests.fixtures.sample_tables import LABELS, anonymous, regular, table_of, tables

SHARES = {"weights": 0.5, "selection": 0.3, "inner_validation": 0.2}
MEGC = ("negative", "positive", "surprise")


def units_of(entry, table, parts=NAMES):
    unit = dict(zip(table["sample_id"], table["subject"].fillna(table["group"]), strict=True))
    return [{unit[i] for i in entry[part]} for part in parts]


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(0, 9))
def test_parts_cover_the_side_and_share_no_subject(table, seed):
    parts = split_parts(list(table["sample_id"]), table, SHARES, seed).document()
    assert sorted(i for name in NAMES for i in parts[name]) == sorted(table["sample_id"])
    sides = units_of(parts, table)
    assert all(sides) and sum(map(len, sides)) == len(set.union(*sides))
    assert (
        set(table["label"]) == set(table.set_index("sample_id").loc[parts["weights"], "label"])
        or len(sides[0]) == len(set.union(*sides)) - 2
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
    side = list(table.loc[table["subject"] != "dataset/S000", "sample_id"])
    with pytest.raises(
        DataError, match=r"parts of all: got 2 subjects on the training side, fewer subjects than parts \(3"
    ):
        split_parts(side, table, SHARES, 0)


def test_shares_that_make_no_sense_and_unknown_ids_are_refused():
    table = regular(5)
    with pytest.raises(ContractError, match="sum to 1"):
        split_parts(list(table["sample_id"]), table, SHARES | {"weights": 0.9}, 0)
    with pytest.raises(ContractError, match="no sample 'ghost'"):
        split_parts(["ghost"], table, SHARES, 0)


def folds_or_skip(table, kind, options, groups, seed):
    try:
        return make_folds(table, kind, options, groups=groups, parts=SHARES, seed=seed)
    except DataError as error:
        assume("one subject or group alone" not in str(error) and "fewer subjects than parts" not in str(error))
        raise


@settings(max_examples=25, deadline=None)
@given(tables(min_subjects=6), st.sampled_from(["loso", "subject_kfold"]), st.integers(2, 3), st.integers(0, 5))
def test_search_pools_never_hold_a_test_subject_and_folds_never_judge_by_what_a_search_learnt_from(
    table, kind, groups, seed
):
    options = {"folds": 4} if kind == "subject_kfold" else {}
    train, test = folds_or_skip(table, kind, options, groups, seed)
    tested = {entry["fold"]: entry["test"] for entry in test["folds"]}
    subject = dict(zip(table["sample_id"], table["subject"], strict=True))
    assert sorted(i for ids in tested.values() for i in ids) == sorted(table["sample_id"])
    assert sorted(k for group in train["groups"] for k in group["folds"]) == sorted(tested)
    for group in train["groups"]:
        pool = set.union(*units_of(group, table))
        learnt = set.union(*units_of(group, table, ("weights", "selection")))
        assert pool
        for k in group["folds"]:
            entry = train["folds"][k]
            sides = units_of(entry, table)
            assert entry["fold"] == k and entry["group"] == group["group"]
            assert {subject[i] for i in tested[k]}.isdisjoint(pool | set.union(*sides))
            assert learnt.isdisjoint(sides[NAMES.index("inner_validation")])
            assert sorted(sum((entry[part] for part in NAMES), tested[k])) == sorted(table["sample_id"])
    audit = audit_folds(table, train, test)
    assert audit["ok"] and audit["leaks"] == {} and audit["tested"] == len(table)


@settings(max_examples=8, deadline=None)
@given(tables(min_subjects=6), st.integers(0, 5))
def test_fold_documents_are_order_free(table, seed):
    straight = folds_or_skip(table, "loso", {}, 2, seed)
    assert straight == folds_or_skip(table.iloc[::-1].reset_index(drop=True), "loso", {}, 2, seed)


def composite(casme2=6, samm=7, smic=4):
    sizes = {"casme2": casme2, "samm": samm, "smic": smic}
    return pd.concat([regular(n, 1, dataset, MEGC) for dataset, n in sizes.items()], ignore_index=True)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_groups_share_every_dataset_out_evenly(groups):
    table = composite()
    train, _ = make_folds(table, "megc2019", groups=groups, parts=SHARES, seed=3)
    dataset_of = {entry["fold"]: entry["name"].split("/")[0] for entry in train["folds"]}
    counts = [Counter(dataset_of[k] for k in group["folds"]) for group in train["groups"]]
    for dataset in ("casme2", "samm", "smic"):
        sizes = [count[dataset] for count in counts]
        assert max(sizes) - min(sizes) <= 1
    sizes = [sum(count.values()) for count in counts]
    assert max(sizes) - min(sizes) <= 1


def test_the_whole_pool_and_its_subsample_of_the_size_of_the_groups_pools():
    table = composite(8, 8, 8)
    train, _ = make_folds(table, "megc2019", groups=2, parts=SHARES, seed=0)
    assert sum(len(train["whole"][part]) for part in NAMES) == len(table)
    pool = [len(set.union(*units_of(group, table))) for group in train["groups"]]
    matched = set.union(*units_of(train["whole_matched"], table))
    assert pool == [12, 12] and len(matched) == 12
    assert Counter(name.split("/")[0] for name in matched) == {"casme2": 4, "samm": 4, "smic": 4}


def test_documents_hold_what_readers_need():
    table = regular(6)
    train, test = make_folds(table, "loso", groups=2, parts=SHARES, seed=0, name="mine", classes=LABELS[::-1])
    assert train["protocol"] == test["protocol"] == "mine" and train["kind"] == "loso" and train["replica"] is False
    assert train["classes"] == list(LABELS[::-1]) and train["table"]["dataset/S001/c0"] == "dataset/S001"
    assert train["note"] == "leave one subject out, 6 subjects" and train["notes"] == [] and train["dropped"] == []


def test_a_class_with_one_subject_is_refused_by_name():
    table = table_of({f"s{n}": ["anger", "fear"] + (["surprise"] if n == 2 else []) for n in range(6)})
    with pytest.raises(DataError, match=r"the class 'surprise' has one subject or group alone \('dataset/s2'\)"):
        make_folds(table, "loso", parts=SHARES)


def test_one_group_of_folds_that_test_everybody_leaves_nothing_to_search_on():
    with pytest.raises(DataError, match="the 6 folds of group 0 leave no sample to search on; expected more groups"):
        make_folds(regular(6), "loso", groups=1, parts=SHARES)


def test_more_groups_than_folds_is_refused():
    with pytest.raises(DataError, match=r"got 1 folds, fewer folds than groups \(2\); set groups to 1"):
        make_folds(anonymous(40, {"Training": 30, "PrivateTest": 10}), "official", groups=2, parts=SHARES)


def official(**columns):
    table = anonymous(96, {"Training": 64, "PublicTest": 16, "PrivateTest": 16})
    for name, values in columns.items():
        for row, value in values.items():
            table.loc[row, name] = value
    return table


def test_official_uses_public_test_as_the_inner_validation_of_search_and_training():
    train, test = make_folds(official(), "official", groups=1, parts=SHARES, seed=0)
    for entry in (train["groups"][0], train["folds"][0]):
        assert entry["inner_validation"] == [f"wild/{n:05d}" for n in range(64, 80)]
        assert (len(entry["weights"]), len(entry["selection"])) == (40, 24)
    assert test["folds"][0]["test"] == [f"wild/{n:05d}" for n in range(80, 96)]
    assert set(train["table"].values()) == {None}


def test_published_pools_halve_by_position():
    train, _ = make_folds(official(), "official", groups=1, parts=SHARES, seed=0)
    assert train["published"]["weights"] == [f"wild/{n:05d}" for n in range(48)]
    assert train["published"]["selection"] == [f"wild/{n:05d}" for n in range(48, 96)]


def test_without_subjects_copies_of_test_images_leave_the_training_side():
    table = official(sha256={3: "same", 90: "same", 5: "twin", 6: "twin"})
    train, test = make_folds(table, "official", groups=1, parts=SHARES, seed=0)
    assert train["dropped"] == [{"fold": 0, "sample_id": "wild/00003", "reason": "exact"}]
    for entry in train["folds"] + train["groups"]:
        assert "wild/00003" not in sum((entry[part] for part in NAMES), [])
        assert {"wild/00005", "wild/00006"} <= set(sum((entry[part] for part in NAMES), []))
    assert audit_folds(table, train, test)["dropped"] == train["dropped"]
    with pytest.raises(
        ContractError, match="test sample 'wild/00090' is an exact copy of the training sample 'wild/00003'"
    ):
        audit_folds(table, *make_folds(table, "official", groups=1, parts=SHARES, policy="fail"), policy="fail")


def test_near_duplicates_are_reported_dropped_or_fatal():
    pairs = {"exact": [], "near": [["wild/00010", "wild/00085", 2, 0.99], ["wild/00011", "wild/00012", 1, 0.99]]}
    table = official()
    arguments = {"groups": 1, "parts": SHARES, "duplicates": pairs}
    audit = audit_folds(table, *make_folds(table, "official", **arguments), pairs)
    assert audit["near"] == [[0, "wild/00010", "wild/00085"]] and audit["near_count"] == 1
    train, test = make_folds(table, "official", **arguments, policy="drop_train")
    assert train["dropped"] == [{"fold": 0, "sample_id": "wild/00010", "reason": "near"}]
    assert audit_folds(table, train, test, pairs, "drop_train")["near_count"] == 0
    with pytest.raises(ContractError, match="'wild/00010' is a near-duplicate of the test sample 'wild/00085'"):
        audit_folds(table, *make_folds(table, "official", **arguments, policy="fail"), pairs, "fail")


def planted():
    table = regular(6)
    train, test = make_folds(table, "loso", groups=2, parts=SHARES, seed=0)
    return table, train, test


def test_a_planted_subject_stops_the_run_by_name():
    table, train, test = planted()
    moved = test["folds"][0]["test"][1:3]
    test["folds"][0]["test"] = [i for i in test["folds"][0]["test"] if i not in moved]
    train["folds"][0]["weights"] += moved
    with pytest.raises(ContractError, match="fold dataset/S000: subject 'dataset/S000' is on both sides"):
        audit_folds(table, train, test)


def test_a_sample_on_both_sides_stops_the_run_by_name():
    table, train, test = planted()
    train["folds"][0]["weights"].append(test["folds"][0]["test"][0])
    with pytest.raises(ContractError, match="sample 'dataset/S000/c0' is on both sides"):
        audit_folds(table, train, test)


def test_a_group_that_crosses_subjects_stops_the_run_by_name():
    table, train, test = planted()
    table.loc[table["sample_id"].isin(["dataset/S000/c0", "dataset/S001/c0"]), "group"] = "one sequence"
    with pytest.raises(ContractError, match="group 'one sequence' is on both sides"):
        audit_folds(table, train, test)


@pytest.mark.parametrize("how", ["sha256", "pairs"])
def test_a_planted_copy_in_a_dataset_with_subjects_stops_the_run_by_name(how):
    table, train, test = planted()
    pairs = None
    if how == "sha256":
        table["sha256"] = [f"{n:064x}" for n in range(len(table))]
        table.loc[table["sample_id"].isin(["dataset/S000/c0", "dataset/S001/c0"]), "sha256"] = "same"
    else:
        pairs = {"exact": [["dataset/S000/c0", "dataset/S001/c0"]], "near": []}
    with pytest.raises(
        ContractError, match="test sample 'dataset/S000/c0' is an exact copy of the training sample 'dataset/S001/c0'"
    ):
        audit_folds(table, train, test, pairs)


def test_a_test_subject_in_the_search_pool_stops_the_run_by_name():
    table, train, test = planted()
    group = train["groups"][0]
    leaked = test["folds"][group["folds"][0]]["test"]
    group["selection"] += leaked
    with pytest.raises(ContractError, match=f"search pool of group 0: sample '{leaked[0]}' is on both sides"):
        audit_folds(table, train, test)


def test_a_subject_in_two_parts_and_documents_that_do_not_fit_are_refused():
    table, train, test = planted()
    moved = train["folds"][1]["weights"].pop()
    train["folds"][1]["selection"].append(moved)
    with pytest.raises(ContractError, match="is in weights and in selection"):
        audit_folds(table, train, test)
    table, train, test = planted()
    with pytest.raises(ContractError, match="not in the table of samples"):
        audit_folds(table.iloc[1:], train, test)
    test["folds"].pop()
    with pytest.raises(ContractError, match="the test document"):
        audit_folds(table, train, test)
    table, train, test = planted()
    test["folds"][1]["test"] = test["folds"][0]["test"]
    with pytest.raises(ContractError):
        audit_folds(table, train, test)


def test_fer2013_sized_folds_share_classes_evenly():
    rng = np.random.default_rng(0)
    table = anonymous(9000, {"Training": 7000, "PublicTest": 1000, "PrivateTest": 1000})
    table["label"] = rng.choice(LABELS, 9000, p=[0.6, 0.25, 0.13, 0.02])
    train, _ = make_folds(table, "official", groups=1, parts=SHARES, seed=0)
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    counts = [Counter(label[i] for i in train["folds"][0][part]) for part in ("weights", "selection")]
    for name in LABELS:
        assert counts[0][name] / (counts[0][name] + counts[1][name]) == pytest.approx(0.625, abs=0.01)


def test_samples_without_subjects_have_groups_of_what_is_not_independent():
    table = official(sha256={3: "same", 90: "same"})
    table.loc[table["sample_id"].isin(["wild/00080", "wild/00081"]), "group"] = "one source"
    pairs = {"exact": [["wild/00090", "wild/00091"]], "near": [["wild/00091", "wild/00092", 2, 0.99]]}
    train, _ = make_folds(table, "official", groups=1, parts=SHARES, duplicates=pairs)
    assert train["unit_groups"] == {
        **{f"wild/{n:05d}": "wild/00003" for n in (3, 90, 91, 92)},
        **{f"wild/{n:05d}": "wild/00080" for n in (80, 81)},
    }
    train, _ = make_folds(regular(8), "subject_kfold", {"folds": 4}, groups=2, parts=SHARES)
    assert train["unit_groups"] == {}
