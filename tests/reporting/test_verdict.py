"""The summary: its sentences, and the matrix of methods and tasks."""

import re
from typing import Any

import pandas as pd
import pytest

from fernas.reporting.compare import StudyTables
from fernas.reporting.verdict import lead, summary_table
from tests.reporting.conftest import Tree


def test_lead_says_when_the_order_is_not_settled() -> None:
    def record(name: str, value: float, low: float, high: float) -> dict[str, Any]:
        return {"method": name, "uar": value, "uar_low": low, "uar_high": high, "status": "ok"}

    first = record("a", 0.7, 0.6, 0.8)
    assert "not settled" in lead([first, record("b", 0.6, 0.5, 0.65)], 0.25)
    assert "overlaps no other" in lead([first, record("b", 0.5, 0.4, 0.59)], 0.25)
    assert "includes chance" in lead([record("a", 0.3, 0.2, 0.4)], 0.25)
    assert lead([], 0.25) == "No method has finished."


def records(p: float) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    row = {"status": "ok", "search_scope": "no_data", "uar_low": 0.5, "uar_high": 0.7}
    rows = [
        row | {"method": "a", "uar": 0.6, "core_s": 90.0},
        row | {"method": "b", "uar": 0.55, "core_s": 10.0},
        row | {"method": "c", "uar": 0.5, "core_s": 5.0},
    ]
    pair = {"unit": "subject", "units": 20, "family": 3, "permutation_smallest_p": 1e-5}
    against = {
        "b": pair | {"difference": 0.05, "permutation_p_holm": p},
        "c": pair | {"difference": 0.1, "permutation_p_holm": 0.001},
    }
    return rows, against


def test_the_lead_says_who_wins_by_how_much_whether_significantly_and_what_is_cheapest() -> None:
    rows, against = records(0.4)
    text = lead(rows, 1 / 3, against)
    assert "5.0 percentage points ahead of b" in text and "p 0.40" in text and "over 20 subjects" in text
    assert "It is significantly better than c; b is not significantly different" in text
    assert "Cheapest of those: b, 10 core-seconds against 90" in text
    rows, against = records(0.01)
    assert "significantly better than every other method." in lead(rows, 1 / 3, against)
    few = [row | {"seed_count": count} for row, count in zip(rows, (1, 3, 1), strict=True)]
    assert "(chance 33.3 %; 1 to 3 seeds per method)" in lead(few, 1 / 3, against)
    assert "; 1 seed per method)" in lead([few[0], few[2]], 1 / 3, against)
    leaky = {**rows[1], "method": "leaky", "search_scope": "whole_dataset"}
    assert "every other method whose search saw no test subjects." in lead([*rows, leaky], 1 / 3, against)
    for pair in against.values():
        pair.update(permutation_smallest_p=0.25, permutation_p_holm=0.75)
    assert "So few subjects cannot settle" in lead(rows, 1 / 3, against)


def test_the_summary_has_every_method_on_every_task(tree: Tree, tables: StudyTables) -> None:
    summary = pd.read_csv(tree[0] / "tables/summary.csv").set_index("method")
    rows = tables.comparison.set_index(["task", "method"])["uar"]
    assert summary.loc["emonas", "ckplus-7n, kfold4"] == pytest.approx(rows["ckplus-7n", "emonas"], abs=1e-5)
    best = rows["megc2019-3"].idxmax()
    assert re.search(rf"^\| {best} \| [^|]* \| [\d.]+\* \|", (tree[0] / "tables/summary.md").read_text(), re.MULTILINE)
    html = summary_table(tables.comparison, tables.statistics).html()
    assert [cell.spoken for row in html for cell in row.cells].count("best") == 2
