"""The audit of the folds finds each kind of leak and names it."""

import pytest

from fernas.core.errors import ContractError
from fernas.protocols.audit import audit_folds
from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import (
    SHARES,
    regular,
)


def planted():
    table = regular(6)
    train, test = make_folds(table, SplitSpec("loso", fold_groups=2, parts=SHARES, seed=0))
    return table, train, test


def test_a_planted_subject_stops_the_run_by_name():
    table, train, test = planted()
    moved = test["folds"][0]["test"][1:3]
    test["folds"][0]["test"] = [i for i in test["folds"][0]["test"] if i not in moved]
    train["folds"][0]["weights"] += moved
    with pytest.raises(ContractError, match="fold dataset/S000: subject 'dataset/S000' is in the train split and"):
        audit_folds(table, train, test)


def test_a_sample_in_both_splits_stops_the_run_by_name():
    table, train, test = planted()
    train["folds"][0]["weights"].append(test["folds"][0]["test"][0])
    with pytest.raises(ContractError, match="sample 'dataset/S000/c0' is in the train split and in the test"):
        audit_folds(table, train, test)


def test_a_sequence_that_crosses_subjects_stops_the_run_by_name():
    table, train, test = planted()
    table.loc[table["sample_id"].isin(["dataset/S000/c0", "dataset/S001/c0"]), "group"] = "one sequence"
    with pytest.raises(ContractError, match="group 'one sequence' is in the train split and in the test"):
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


@pytest.mark.parametrize("place", [0, -1])
def test_a_test_subject_of_any_fold_of_the_group_in_its_search_pool_stops_the_run_by_name(place):
    table, train, test = planted()
    group = train["groups"][0]
    assert len(group["folds"]) == 3
    leaked = test["folds"][group["folds"][place]]["test"]
    group["selection"] += leaked
    with pytest.raises(ContractError, match=f"search pool of group 0: sample '{leaked[0]}' is in the train split and"):
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
