"""Every protocol of fernas/protocols holds the contract that folds and their audit build on."""

import subprocess
import sys

import pandas as pd
import pytest

from fernas.core import plugins
from fernas.core.errors import ConfigError
from fernas.protocols._base import Fold, Protocol, checked
from fernas.protocols.audit import audit_folds
from fernas.protocols.counts import Counts
from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import anonymous, regular, table_of

MICRO = ("negative", "positive", "surprise")
SAME_PEOPLE: dict[str, tuple[str, ...]] = {}


def composite() -> pd.DataFrame:
    parts = [regular(5, 3, dataset, MICRO) for dataset in ("casme2", "samm", "smic")]
    return pd.concat(parts, ignore_index=True)


def case(kind):
    """A table and options that suit a protocol."""
    if kind == "official":
        return anonymous(80, {"Training": 48, "PublicTest": 16, "PrivateTest": 16}), {}
    if kind == "subject_kfold":
        return composite(), {"folds": 5}
    if kind == "cross_dataset":
        return composite(), {"train": ["casme2", "samm"], "test": ["smic"]}
    if kind == "ck48_blocks":
        shown = {f"S{n:03d}": ["anger"] * 3 + ["happiness"] * 3 * (n % 2) for n in range(30)}
        return table_of(shown, "ck48"), {}
    return composite(), {}


protocols = pytest.mark.parametrize("kind", plugins.available("protocols"))


@protocols
def test_it_describes_itself(kind):
    protocol = plugins.load("protocols", kind)
    table, options = case(kind)
    assert isinstance(protocol, Protocol) and protocol.name == kind and protocol.title
    assert protocol.note(table, options) and bool(protocol.published) is protocol.replica
    with pytest.raises(ConfigError, match="unknown key"):
        protocol.options({"no_such_option": 1})


@protocols
def test_splits_are_disjoint_known_and_never_empty(kind):
    table, options = case(kind)
    table.attrs["same_people_as"] = SAME_PEOPLE
    protocol = plugins.load("protocols", kind)
    folds = protocol.split(table, options, 0)
    known = set(table["sample_id"])
    assert len({fold.name for fold in folds}) == len(folds)
    for fold in folds:
        assert isinstance(fold, Fold) and fold.train and fold.test
        assert len(set(fold.train)) == len(fold.train) and len(set(fold.test)) == len(fold.test)
        assert set(fold.train) | set(fold.test) <= known and not set(fold.train) & set(fold.test)
        assert fold.inner_validation is None or set(fold.inner_validation) < set(fold.train)
    tested = [sample for fold in folds for sample in fold.test]
    assert not protocol.tests_once or len(set(tested)) == len(tested)


@protocols
def test_folds_are_counted_before_they_are_made(kind):
    table, options = case(kind)
    table.attrs["same_people_as"] = SAME_PEOPLE
    protocol, rows = plugins.load("protocols", kind), checked(table, kind)
    splits = rows["split"].value_counts().to_dict() if kind == "official" else {}
    counts = Counts(rows["unit"].nunique(), rows["dataset"].value_counts().to_dict(), splits)
    folds = protocol.split(table, options, 0)
    assert protocol.count_folds(protocol.options(options), counts) == len(folds)
    learnt = sum(len(fold.train) for fold in folds) / len(folds) / len(rows)
    assert protocol.train_share(protocol.options(options), counts) == pytest.approx(learnt, abs=0.05)


@protocols
def test_it_is_order_free_and_seed_stable(kind):
    table, options = case(kind)
    table.attrs["same_people_as"] = SAME_PEOPLE
    protocol = plugins.load("protocols", kind)
    shuffled = table.sample(frac=1, random_state=3)
    assert protocol.split(table, options, 5) == protocol.split(shuffled, options, 5)


@protocols
def test_its_folds_pass_the_audit_or_it_is_a_replica_whose_leaks_are_counted(kind):
    table, options = case(kind)
    protocol = plugins.load("protocols", kind)
    table["sha256"] = [f"{n:064x}" for n in range(len(table))]
    groups = 1 if kind in ("official", "cross_dataset") else 2
    train, test = make_folds(table, SplitSpec(kind, options, fold_groups=groups, same_people=SAME_PEOPLE))
    audit = audit_folds(table, train, test)
    assert audit["ok"] and train["replica"] is protocol.replica
    assert bool(audit["leaks"]) is protocol.replica


@protocols
def test_its_config_imports_neither_torch_nor_scikit_learn(kind):
    code = (
        f"import sys, fernas.protocols.{kind} as m; m.PLUGIN.Config\n"
        "sys.exit(' '.join({'torch', 'cv2', 'mlflow', 'sklearn', 'scipy'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
