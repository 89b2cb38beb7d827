"""Consecutive blocks of images, a replica."""

import pandas as pd
import pytest

from fernas.core.errors import DataError
from fernas.core.plugins import load
from fernas.protocols.audit import audit_folds
from fernas.protocols.ck48_blocks import PUBLISHED_COUNTS, PUBLISHED_SIZES, Ck48BlocksConfig
from fernas.protocols.folds import SplitSpec, make_folds


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
    train, test = make_folds(table, SplitSpec("ck48_blocks"))
    assert train["replica"] and "replica of Auto-FERNet" in train["note"]
    assert audit_folds(table, train, test)["leaks"]["test samples of a subject in training"] > 0
    with pytest.raises(DataError, match="class 'bliss' is not in the order"):
        load("protocols", "ck48_blocks").split(table.replace({"label": {"fear": "bliss"}}), {}, 0)
