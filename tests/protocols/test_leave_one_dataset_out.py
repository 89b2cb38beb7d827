"""Leave one dataset out."""

from fernas.core.plugins import load
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import (
    datasets,
)

MICRO = ("negative", "positive", "surprise")


def test_leave_one_dataset_out_tests_each_dataset_once():
    table = datasets(casme2=MICRO, samm=MICRO, smic=MICRO)
    folds = load("protocols", "leave_one_dataset_out").split(table, {}, 0)
    assert [fold.name for fold in folds] == ["casme2", "samm", "smic"]
    for fold in folds:
        assert {i.split("/")[0] for i in fold.test} == {fold.name}
        assert fold.name not in {i.split("/")[0] for i in fold.train}
    train, test = make_folds(table, SplitSpec("leave_one_dataset_out", fold_groups=3))
    assert [group["folds"] for group in train["groups"]] != [] and audit_folds(table, train, test)["ok"]
