"""The fold documents: fold groups, search pools, parts, copies of test samples."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ContractError, DataError
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import SplitSpec, make_folds
from fernas.protocols.parts import NAMES
from tests.fixtures.sample_tables import (
    LABELS,
    SHARES,
    anonymous,
    composite,
    official,
    regular,
    table_of,
    tables,
    units_of,
)


def folds_or_skip(table, kind, options, groups, seed):
    try:
        return make_folds(table, SplitSpec(kind, options, fold_groups=groups, parts=SHARES, seed=seed))
    except DataError as error:
        assume("only one subject or sequence" not in str(error) and "fewer subjects than parts" not in str(error))
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
            unit_sets = units_of(entry, table)
            assert entry["fold"] == k and entry["group"] == group["group"]
            assert {subject[i] for i in tested[k]}.isdisjoint(pool | set.union(*unit_sets))
            assert learnt.isdisjoint(unit_sets[NAMES.index("inner_validation")])
            assert sorted(sum((entry[part] for part in NAMES), tested[k])) == sorted(table["sample_id"])
    audit = audit_folds(table, train, test)
    assert audit["ok"] and audit["leaks"] == {} and audit["tested"] == len(table)


@settings(max_examples=8, deadline=None)
@given(tables(min_subjects=6), st.integers(0, 5))
def test_fold_documents_are_order_free(table, seed):
    straight = folds_or_skip(table, "loso", {}, 2, seed)
    assert straight == folds_or_skip(table.iloc[::-1].reset_index(drop=True), "loso", {}, 2, seed)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_fold_groups_share_every_dataset_out_evenly(groups):
    table = composite()
    train, _ = make_folds(table, SplitSpec("megc2019", fold_groups=groups, parts=SHARES, seed=3))
    dataset_of = {entry["fold"]: entry["name"].split("/")[0] for entry in train["folds"]}
    counts = [Counter(dataset_of[k] for k in group["folds"]) for group in train["groups"]]
    for dataset in ("casme2", "samm", "smic"):
        sizes = [count[dataset] for count in counts]
        assert max(sizes) - min(sizes) <= 1
    sizes = [sum(count.values()) for count in counts]
    assert max(sizes) - min(sizes) <= 1


def test_the_whole_pool_and_its_subsample_of_the_size_of_the_fold_groups_pools():
    table = composite(8, 8, 8)
    train, _ = make_folds(table, SplitSpec("megc2019", fold_groups=2, parts=SHARES, seed=0))
    assert sum(len(train["whole"][part]) for part in NAMES) == len(table)
    pool = [len(set.union(*units_of(group, table))) for group in train["groups"]]
    matched = set.union(*units_of(train["whole_matched"], table))
    assert pool == [12, 12] and len(matched) == 12
    assert Counter(name.split("/")[0] for name in matched) == {"casme2": 4, "samm": 4, "smic": 4}
    uneven = regular(9)
    train, _ = make_folds(uneven, SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0))
    assert sorted(len(set.union(*units_of(group, uneven))) for group in train["groups"]) == [4, 5]
    assert len(set.union(*units_of(train["whole_matched"], uneven))) == 4  # 4.5 on average


def test_inner_validation_of_a_fold_holds_no_subject_that_its_search_has_learnt_from():
    table = regular(12)
    train, _ = make_folds(table, SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0))
    unit = dict(zip(table["sample_id"], table["subject"], strict=True))
    for fold in train["folds"]:
        search = train["groups"][fold["group"]]
        learnt = {unit[sample] for sample in search["weights"] + search["selection"]}
        assert learnt.isdisjoint(unit[sample] for sample in fold["inner_validation"])


def test_documents_hold_what_readers_need():
    table = regular(6)
    train, test = make_folds(
        table, SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0, name="mine", classes=LABELS[::-1])
    )
    assert train["protocol"] == test["protocol"] == "mine" and train["kind"] == "loso" and train["replica"] is False
    assert train["classes"] == list(LABELS[::-1]) and train["table"]["dataset/S001/c0"] == "dataset/S001"
    assert train["note"] == "leave one subject out, 6 subjects" and train["notes"] == [] and train["dropped"] == []


def test_a_class_with_one_subject_is_refused_by_name():
    table = table_of({f"s{n}": ["anger", "fear"] + (["surprise"] if n == 2 else []) for n in range(6)})
    with pytest.raises(DataError, match=r"only one subject or sequence \('dataset/s2'\) has the class 'surprise'"):
        make_folds(table, SplitSpec("loso", parts=SHARES))


def test_one_fold_group_that_tests_everybody_leaves_nothing_to_search_on():
    with pytest.raises(DataError, match="the 6 folds of group 0 leave no sample to search on; expected more groups"):
        make_folds(regular(6), SplitSpec("loso", fold_groups=1, parts=SHARES))


def test_more_fold_groups_than_folds_is_refused():
    with pytest.raises(DataError, match=r"got 1 folds, fewer folds than groups \(2\); set groups to 1"):
        make_folds(
            anonymous(40, {"Training": 30, "PrivateTest": 10}), SplitSpec("official", fold_groups=2, parts=SHARES)
        )


def test_official_uses_public_test_as_the_inner_validation_of_search_and_training():
    train, test = make_folds(official(), SplitSpec("official", fold_groups=1, parts=SHARES, seed=0))
    for entry in (train["groups"][0], train["folds"][0]):
        assert entry["inner_validation"] == [f"wild/{n:05d}" for n in range(64, 80)]
        assert (len(entry["weights"]), len(entry["selection"])) == (40, 24)
    assert test["folds"][0]["test"] == [f"wild/{n:05d}" for n in range(80, 96)]
    assert set(train["table"].values()) == {None}


def test_published_pools_halve_by_position():
    train, _ = make_folds(official(), SplitSpec("official", fold_groups=1, parts=SHARES, seed=0))
    assert train["published"]["weights"] == [f"wild/{n:05d}" for n in range(48)]
    assert train["published"]["selection"] == [f"wild/{n:05d}" for n in range(48, 96)]


def test_without_subjects_copies_of_test_images_leave_the_train_split():
    """Also its inner validation, from which 70 is."""
    table = official(sha256={3: "same", 90: "same", 5: "twin", 6: "twin", 70: "second", 91: "second"})
    train, test = make_folds(table, SplitSpec("official", fold_groups=1, parts=SHARES, seed=0))
    copies = ["wild/00003", "wild/00070"]
    assert train["dropped"] == [{"fold": 0, "sample_id": name, "reason": "exact"} for name in copies]
    for entry in train["folds"] + train["groups"]:
        assert not set(copies) & set(sum((entry[part] for part in NAMES), []))
        assert {"wild/00005", "wild/00006"} <= set(sum((entry[part] for part in NAMES), []))
    assert audit_folds(table, train, test)["dropped"] == train["dropped"]
    with pytest.raises(
        ContractError, match="test sample 'wild/00090' is an exact copy of the training sample 'wild/00003'"
    ):
        audit_folds(
            table, *make_folds(table, SplitSpec("official", fold_groups=1, parts=SHARES, policy="fail")), policy="fail"
        )


def test_near_duplicates_are_reported_dropped_or_fatal():
    pairs = {"exact": [], "near": [["wild/00010", "wild/00085", 2, 0.99], ["wild/00011", "wild/00012", 1, 0.99]]}
    table = official()
    spec = SplitSpec("official", fold_groups=1, parts=SHARES)
    audit = audit_folds(table, *make_folds(table, spec, pairs), pairs)
    assert audit["near"] == [[0, "wild/00010", "wild/00085"]] and audit["near_count"] == 1
    train, test = make_folds(table, replace(spec, policy="drop_train"), pairs)
    assert train["dropped"] == [{"fold": 0, "sample_id": "wild/00010", "reason": "near"}]
    assert audit_folds(table, train, test, pairs, "drop_train")["near_count"] == 0
    with pytest.raises(ContractError, match="'wild/00010' is a near-duplicate of the test sample 'wild/00085'"):
        audit_folds(table, *make_folds(table, replace(spec, policy="fail"), pairs), pairs, "fail")


def test_fer2013_sized_folds_share_classes_evenly():
    rng = np.random.default_rng(0)
    table = anonymous(9000, {"Training": 7000, "PublicTest": 1000, "PrivateTest": 1000})
    table["label"] = rng.choice(LABELS, 9000, p=[0.6, 0.25, 0.13, 0.02])
    train, _ = make_folds(table, SplitSpec("official", fold_groups=1, parts=SHARES, seed=0))
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    counts = [Counter(label[i] for i in train["folds"][0][part]) for part in ("weights", "selection")]
    for name in LABELS:
        assert counts[0][name] / (counts[0][name] + counts[1][name]) == pytest.approx(0.625, abs=0.01)


@pytest.mark.parametrize("stratify", [True, False])
def test_without_stratification_no_label_of_a_test_subject_moves_what_its_fold_trains_on(stratify):
    """With it the class counts of test subjects do, as docs/protocols.md says."""
    generator = np.random.default_rng(0)
    moved = 0
    for trial in range(6):
        labels = generator.choice(list("abc"), (12, 8), p=[0.6, 0.25, 0.15])
        tables = []
        for changed in (False, True):
            now = labels.copy()
            if changed:
                now[0] = np.resize(list("cbb"), 8)  # the subject that fold 0 tests shows other classes
            rows = [(f"d/s{u:02d}/{k}", "d", f"d/s{u:02d}", None, now[u, k]) for u in range(12) for k in range(8)]
            tables.append(pd.DataFrame(rows, columns=["sample_id", "dataset", "subject", "group", "label"]))
        spec = SplitSpec(kind="loso", seed=trial, fold_groups=3, stratify=stratify)
        before, after = (make_folds(table, spec)[0] for table in tables)
        group = before["folds"][0]["group"]
        same = before["folds"][0] == after["folds"][0] and before["groups"][group] == after["groups"][group]
        assert [fold["group"] for fold in before["folds"]].count(group) == 4
        moved += not same
    assert moved > 0 if stratify else moved == 0
