import pandas as pd
import pytest

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.plugins import load
from fernas.protocols.audit import audit_folds
from fernas.protocols.ck48_blocks import PUBLISHED_COUNTS, PUBLISHED_SIZES, Ck48BlocksConfig
from fernas.protocols.folds import make_folds
from tests.fixtures.sample_tables import regular, table_of

MICRO = ("negative", "positive", "surprise")


def datasets(**labels_of):
    table = pd.concat([regular(4, 2, name, labels) for name, labels in labels_of.items()], ignore_index=True)
    table.attrs["same_people_as"] = {}
    return table


def test_leave_one_dataset_out_tests_each_dataset_once():
    table = datasets(casme2=MICRO, samm=MICRO, smic=MICRO)
    folds = load("protocols", "leave_one_dataset_out").split(table, {}, 0)
    assert [fold.name for fold in folds] == ["casme2", "samm", "smic"]
    for fold in folds:
        assert {i.split("/")[0] for i in fold.test} == {fold.name}
        assert fold.name not in {i.split("/")[0] for i in fold.train}
    train, test = make_folds(table, "leave_one_dataset_out", groups=3)
    assert [group["folds"] for group in train["groups"]] != [] and audit_folds(table, train, test)["ok"]


def test_cross_dataset_keeps_the_common_classes_and_says_so():
    table = datasets(ckplus=("anger", "fear", "contempt"), jaffe=("anger", "fear", "neutral"))
    protocol = load("protocols", "cross_dataset")
    options = {"train": ["ckplus"], "test": ["jaffe"]}
    (fold,) = protocol.split(table, options, 0)
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    assert fold.name == "ckplus-to-jaffe" and len(fold.train) == len(fold.test) == 16
    assert {label[i] for i in fold.train} == {label[i] for i in fold.test} == {"anger", "fear"}
    note = "trained on ckplus, tested on jaffe, without contempt, neutral (on one side only)"
    assert protocol.note(table, options) == note


@pytest.mark.parametrize("stated", [{"ck48": ["ckplus"]}, {"ckplus": ["ck48"]}])
def test_datasets_of_the_same_people_are_refused_across_sides(stated):
    table = datasets(ckplus=MICRO, ck48=MICRO, jaffe=MICRO)
    table.attrs["same_people_as"] = stated
    with pytest.raises(DataError, match="ckplus and ck48 show the same people"):
        load("protocols", "cross_dataset").split(table, {"train": ["ckplus", "jaffe"], "test": ["ck48"]}, 0)
    with pytest.raises(DataError, match="show the same people"):
        load("protocols", "leave_one_dataset_out").split(table, {}, 0)
    assert load("protocols", "cross_dataset").split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)


def test_bad_datasets_are_named():
    table = datasets(ckplus=MICRO, jaffe=("anger", "fear"))
    cross = load("protocols", "cross_dataset")
    with pytest.raises(DataError, match="0 classes in common"):
        cross.split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)
    with pytest.raises(DataError, match=r"no dataset 'jafe' \(did you mean 'jaffe'\?\)"):
        cross.split(table, {"train": ["ckplus"], "test": ["jafe"]}, 0)
    with pytest.raises(ConfigError, match="ckplus stands on both sides"):
        cross.split(table, {"train": ["ckplus"], "test": ["ckplus"]}, 0)
    with pytest.raises(DataError, match="got one dataset"):
        load("protocols", "leave_one_dataset_out").split(datasets(samm=MICRO), {}, 0)
    table.attrs.clear()
    with pytest.raises(ContractError, match="same_people_as"):
        cross.split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)


def test_random_8020_is_stratified_and_its_leaks_are_counted():
    table = regular(10, 5)
    folds = load("protocols", "random_8020").split(table, {}, 0)
    assert len(folds) == 5 and all(len(fold.test) == 40 and len(fold.train) == 160 for fold in folds)
    train, test = make_folds(table, "random_8020", groups=2)
    audit = audit_folds(table, train, test)
    assert audit["leaks"]["test samples of a subject in training"] == 200 and audit["problems"]
    for group in train["groups"]:
        tested = {i for k in group["folds"] for i in test["folds"][k]["test"]}
        assert tested.isdisjoint(group["weights"] + group["selection"] + group["inner_validation"])
    with pytest.raises(DataError, match="class 'fear' has one sample"):
        load("protocols", "random_8020").split(table_of({"s0": ["anger"] * 9, "s1": ["fear"]}), {}, 0)


def ck48():
    """The 981 images: three per sequence, one sequence per subject and class here."""
    order = Ck48BlocksConfig().order
    rows = [
        (f"ck48/S{number // 3:03d}/{position}_{number:05d}", f"ck48/S{number // 3:03d}", label)
        for position, (label, count) in enumerate(zip(order, PUBLISHED_COUNTS, strict=True))
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=["sample_id", "subject", "label"])
    return table.assign(dataset="ck48", group=table["subject"] + "/" + table["label"])


def test_ck48_blocks_are_the_published_positions():
    table = ck48()
    folds = load("protocols", "ck48_blocks").split(table, {}, 0)
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    assert [(len(fold.test), len(fold.train)) for fold in folds] == [(99, 882)] * 10
    first = pd.Series([label[i] for i in folds[0].test]).value_counts()
    assert [first[name] for name in Ck48BlocksConfig().order] == list(PUBLISHED_SIZES)
    ninth = pd.Series([label[i] for i in folds[8].test]).value_counts()
    assert (ninth["fear"], ninth["happiness"]) == (3, 27)
    assert [i for i in folds[9].test if label[i] == "fear"][0].endswith("_00066")
    assert len({i for fold in folds for i in fold.test}) < 981


@pytest.mark.parametrize("folds", [8, 10])
def test_ck48_blocks_of_other_sizes_never_cut_a_sequence(folds):
    table = ck48()
    table = table[table["subject"] < "ck48/S030"] if folds == 10 else table
    split = load("protocols", "ck48_blocks").split(table, {"folds": folds}, 0)
    group = dict(zip(table["sample_id"], table["group"], strict=True))
    assert len(split) == folds
    for fold in split:
        assert {group[i] for i in fold.test}.isdisjoint({group[i] for i in fold.train})


def test_ck48_blocks_leak_subjects_and_say_so():
    table = ck48()
    train, test = make_folds(table, "ck48_blocks", groups=2)
    assert train["replica"] and "replica of Auto-FERNet" in train["note"]
    assert audit_folds(table, train, test)["leaks"]["test samples of a subject in training"] > 0
    with pytest.raises(DataError, match="class 'bliss' has no place in the order"):
        load("protocols", "ck48_blocks").split(table.replace({"label": {"fear": "bliss"}}), {}, 0)
