"""Duplicates among samples and what confidence intervals resample."""

from fernas.protocols.folds import SplitSpec, make_folds
from tests.fixtures.sample_tables import (
    SHARES,
    official,
    regular,
)


def test_samples_without_subjects_are_resampled_with_what_is_not_independent():
    table = official(sha256={3: "same", 90: "same"})
    table.loc[table["sample_id"].isin(["wild/00080", "wild/00081"]), "group"] = "one source"
    pairs = {"exact": [["wild/00090", "wild/00091"]], "near": [["wild/00091", "wild/00092", 2, 0.99]]}
    train, _ = make_folds(table, SplitSpec("official", fold_groups=1, parts=SHARES), pairs)
    assert train["unit_groups"] == {
        **{f"wild/{n:05d}": "wild/00003" for n in (3, 90, 91, 92)},
        **{f"wild/{n:05d}": "wild/00080" for n in (80, 81)},
    }
    train, _ = make_folds(regular(8), SplitSpec("subject_kfold", {"folds": 4}, fold_groups=2, parts=SHARES))
    assert train["unit_groups"] == {}
