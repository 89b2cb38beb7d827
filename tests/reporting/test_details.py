"""Gaps in recall between demographic groups, and UAR on the parts of a composite."""

import pytest

from fernas.reporting.compare import StudyTables
from fernas.reporting.details import group_gaps
from fernas.reporting.formats import rows_of
from fernas.scoring.demographics import demographic_scores
from tests.scoring.test_demographics import two_groups


def test_gaps_of_several_seeds_are_averaged_for_the_report():
    table, groups = two_groups()
    other = table.assign(p_a=table["p_b"], p_b=table["p_a"])
    first, second = ({"groups": demographic_scores([t], groups)} for t in (table, other))
    (alone,) = group_gaps([first])
    assert alone["recall of each group (samples)"].startswith("light ")
    assert alone["interval"] is not None and alone["gap"] == pytest.approx(0.3)
    (both,) = group_gaps([first, second])
    assert both["interval"] is None and both["gap"] == pytest.approx(0, abs=1e-9)
    assert group_gaps([{}, {"groups": {}}]) == []


def test_a_composite_has_the_uar_of_its_parts(tables: StudyTables) -> None:
    assert set(rows_of(tables.datasets, "megc2019-3", "megc")["dataset"]) == {"casme2", "smic", "samm"}
    assert rows_of(tables.datasets, "ckplus-7n", "kfold4").empty


def test_more_scores_are_of_finished_methods(tables: StudyTables) -> None:
    scores = rows_of(tables.scores, "ckplus-7n", "kfold4").set_index("method")
    assert set(scores.index) == {"emonas", "random", "random_mean", "small_cnn"}
    assert scores.loc["emonas", "SD over seeds"] > 0 and scores["faceless samples"].min() > 0
