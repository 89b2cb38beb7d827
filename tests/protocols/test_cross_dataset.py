"""Train on some datasets, test on others."""

import pytest

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    datasets,
)

MICRO = ("negative", "positive", "surprise")


def test_cross_dataset_keeps_the_common_classes_and_says_so():
    table = datasets(ckplus=("anger", "fear", "contempt"), jaffe=("anger", "fear", "neutral"))
    protocol = load("protocols", "cross_dataset")
    options = {"train": ["ckplus"], "test": ["jaffe"]}
    (fold,) = protocol.split(table, options, 0)
    label = dict(zip(table["sample_id"], table["label"], strict=True))
    assert fold.name == "ckplus-to-jaffe" and len(fold.train) == len(fold.test) == 16
    assert {label[i] for i in fold.train} == {label[i] for i in fold.test} == {"anger", "fear"}
    note = "trained on ckplus, tested on jaffe, without contempt, neutral (in one split only)"
    assert protocol.note(table, options) == note


@pytest.mark.parametrize("stated", [{"ck48": ["ckplus"]}, {"ckplus": ["ck48"]}])
def test_datasets_with_the_same_subjects_are_refused_across_splits(stated):
    table = datasets(ckplus=MICRO, ck48=MICRO, jaffe=MICRO)
    table.attrs["same_people_as"] = stated
    with pytest.raises(DataError, match="ckplus and ck48 have the same subjects"):
        load("protocols", "cross_dataset").split(table, {"train": ["ckplus", "jaffe"], "test": ["ck48"]}, 0)
    with pytest.raises(DataError, match="have the same subjects"):
        load("protocols", "leave_one_dataset_out").split(table, {}, 0)
    assert load("protocols", "cross_dataset").split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)


def test_bad_datasets_are_named():
    table = datasets(ckplus=MICRO, jaffe=("anger", "fear"))
    cross = load("protocols", "cross_dataset")
    with pytest.raises(DataError, match="0 classes in common"):
        cross.split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)
    with pytest.raises(DataError, match=r"no dataset 'jafe' \(did you mean 'jaffe'\?\)"):
        cross.split(table, {"train": ["ckplus"], "test": ["jafe"]}, 0)
    with pytest.raises(ConfigError, match="ckplus is in the train split and in the test split"):
        cross.split(table, {"train": ["ckplus"], "test": ["ckplus"]}, 0)
    with pytest.raises(DataError, match="got one dataset"):
        load("protocols", "leave_one_dataset_out").split(datasets(samm=MICRO), {}, 0)
    table.attrs.clear()
    with pytest.raises(ContractError, match="same_people_as"):
        cross.split(table, {"train": ["ckplus"], "test": ["jaffe"]}, 0)
