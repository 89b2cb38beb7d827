"""Random splits of images, a replica."""

import pytest

from fernas.core.errors import DataError
from fernas.core.plugins import load
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import (
    regular,
    table_of,
)


def test_random_8020_is_stratified_and_its_leaks_are_counted():
    table = regular(10, 5)
    folds = load("protocols", "random_8020").split(table, {}, 0)
    assert len(folds) == 5 and all(len(fold.test) == 40 and len(fold.train) == 160 for fold in folds)
    train, test = make_folds(table, SplitSpec("random_8020", fold_groups=2))
    audit = audit_folds(table, train, test)
    assert audit["leaks"]["test samples of a subject in training"] == 200 and audit["problems"]
    for group in train["groups"]:
        tested = {i for k in group["folds"] for i in test["folds"][k]["test"]}
        assert tested.isdisjoint(group["weights"] + group["selection"] + group["inner_validation"])
    with pytest.raises(DataError, match="class 'fear' has one sample"):
        load("protocols", "random_8020").split(table_of({"s0": ["anger"] * 9, "s1": ["fear"]}), {}, 0)
