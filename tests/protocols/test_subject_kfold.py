"""Subject-independent k-fold."""

from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    anonymous,
    regular,
    table_of,
)


def test_modulo_assigns_sorted_subjects_in_turn():
    folds = load("protocols", "subject_kfold").split(regular(7), {"folds": 3, "assignment": "modulo"}, 0)
    assert [sorted({i.split("/")[1] for i in fold.test}) for fold in folds] == [
        ["S000", "S003", "S006"], ["S001", "S004"], ["S002", "S005"],
    ]  # fmt: skip


def test_balanced_folds_share_a_class_out_where_modulo_does_not():
    labels = {f"s{n:02d}": ["anger"] * 3 + (["fear"] if n % 3 == 0 else []) for n in range(12)}
    table = table_of(labels)
    fear = set(table.loc[table["label"] == "fear", "sample_id"])

    def fears(assignment):
        folds = load("protocols", "subject_kfold").split(table, {"folds": 3, "assignment": assignment}, 0)
        return sorted(len(fear & set(fold.test)) for fold in folds)

    assert fears("modulo") == [0, 0, 4] and fears("balanced") == [1, 1, 2]


def test_balanced_folds_depend_on_the_seed():
    table = regular(12)
    of = [load("protocols", "subject_kfold").split(table, {"folds": 4}, seed) for seed in range(4)]
    assert any(folds != of[0] for folds in of[1:])


def test_sequences_take_the_place_of_subjects():
    table = anonymous(12, {"train": 12})
    table["group"] = [f"g{number // 3}" for number in range(12)]
    folds = load("protocols", "subject_kfold").split(table, {"folds": 4}, 0)
    assert sorted(len({table["group"][int(i.split("/")[1])] for i in fold.test}) for fold in folds) == [1, 1, 1, 1]
