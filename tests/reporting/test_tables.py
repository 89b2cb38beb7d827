"""The comparison: its columns, its rows for failed and skipped methods, its texts."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core.config import StudyConfig
from fernas.core.io import read_json, write_json
from fernas.reporting import formats as texts
from fernas.reporting import tables
from fernas.reporting.tree import MethodRun
from tests.fabricate import study_document


@pytest.fixture(scope="module")
def frame(tree: tuple[Path, StudyConfig]) -> pd.DataFrame:
    return tables.comparison(*tree)


def row(frame: pd.DataFrame, task: str, method: str) -> pd.Series:
    found = frame[(frame["task"] == task) & (frame["method"] == method)]
    assert len(found) == 1
    return found.iloc[0]


def test_the_columns_are_those_of_the_contract(frame: pd.DataFrame, tree: tuple[Path, StudyConfig]) -> None:
    expected = (
        "dataset, task, protocol, method, search, space, recipe, search_scope, seed_count, folds, status, reason, "
        "accuracy, uf1, uar, uar_low, uar_high, interval_unit, params, macs, search_macs, "
        "core_s, extra_data, leaks, oracle_uar, rendered"
    )
    assert (tree[0] / "comparison.csv").read_text().splitlines()[0] == expected.replace(", ", ",")
    assert list(frame.columns) == expected.split(", ")


def test_a_finished_method_has_the_mean_over_its_seeds(frame: pd.DataFrame, tree: tuple[Path, StudyConfig]) -> None:
    found = row(frame, "ckplus-7n", "emonas")
    folder = tree[0] / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    seeds = [read_json(folder / f"t{t}/scores.json")["uar"] for t in (0, 1)]
    assert found["status"] == "ok" and found["seed_count"] == 2 and found["folds"] == 4
    assert found["uar"] == pytest.approx(np.mean(seeds))
    assert found["uar_low"] < found["uar"] < found["uar_high"]
    assert found["search_macs"] == pytest.approx(2 * 3e12)
    assert found["core_s"] == pytest.approx(2 * 19 + 2 * 8.5)
    assert found["rendered"] and found["dataset"] == "ckplus" and found["search"] == "darts_first"


def test_failed_and_skipped_methods_are_rows_with_reasons(frame: pd.DataFrame) -> None:
    failed = row(frame, "ckplus-7n", "vgg16")
    assert failed["status"] == "failed" and "out of memory" in failed["reason"] and np.isnan(failed["uar"])
    absent = row(frame, "fer2013-7", "emonas")
    assert absent["status"] == "skipped" and "datasets.fer2013" in absent["reason"] and not absent["rendered"]
    unlisted = row(frame, "megc2019-3", "darts")
    assert unlisted["status"] == "skipped" and "megc2019-3" in unlisted["reason"]


def test_a_run_that_never_started_is_skipped(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    (results / "runs/ckplus-7n-rendered/kfold4/random").rename(results / "gone")
    found = row(tables.comparison(results, config), "ckplus-7n", "random")
    assert (found["status"], found["reason"]) == ("skipped", "not run yet")


def test_leaks_are_a_column(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    audit = results / "tasks/ckplus-7n-rendered/kfold4/audit.json"
    write_json(audit, {"ok": True, "leaks": ["subject S001 on both sides of fold 1"]})
    assert "S001" in row(tables.comparison(results, config), "ckplus-7n", "emonas")["leaks"]


def test_the_best_epoch_on_the_test_side_is_a_column_beside_the_score(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    before = row(tables.comparison(results, config), "ckplus-7n", "emonas")
    assert np.isnan(before["oracle_uar"]) and "oracle" not in before["leaks"]
    for t, value in ((0, 0.8), (1, 0.9)):
        path = results / f"runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/t{t}/scores.json"
        write_json(path, {**read_json(path), "oracle": {"uar": value}})
    found = row(tables.comparison(results, config), "ckplus-7n", "emonas")
    assert found["oracle_uar"] == pytest.approx(0.85) and found["uar"] == before["uar"]
    assert "test side" in found["leaks"] and "oracle UAR 85.0" in (results / "comparison.md").read_text()


def test_markdown_labels_rendered_faces_and_says_how_many_subjects(
    frame: pd.DataFrame, tree: tuple[Path, StudyConfig]
) -> None:
    text = (tree[0] / "comparison.md").read_text()
    assert "12 of 68 subjects, rendered" in text
    assert text.count("rendered faces: not evidence about people") >= 2
    assert "out of memory" in text


def test_an_ensemble_costs_what_its_members_cost(own_tree: tuple[Path, StudyConfig]) -> None:
    results, _ = own_tree
    document = study_document()
    document["methods"]["both"] = {"combine": ["emonas", "small_cnn"]}
    document["study"][0]["methods"].append("both")
    base = results / "runs/ckplus-7n-rendered/kfold4"
    for file in ("scores.json", "predictions.parquet", "status.json"):
        target = base / "both/per_group/s0/t0" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / "small_cnn/no_data/s0/t0" / file, target)
    frame = comparison_of_members(results, document)
    assert frame["both"]["params"] == 2 * frame["emonas"]["params"] + frame["small_cnn"]["params"]
    assert frame["both"]["status"] == "ok" and frame["both"]["uar"] == frame["small_cnn"]["uar"]


def comparison_of_members(results: Path, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = tables.comparison(results, StudyConfig.model_validate(document), write=False)
    return {row["method"]: row for row in texts.records_of(found[found["task"] == "ckplus-7n"])}


def test_without_a_config_the_folder_decides(tree: tuple[Path, StudyConfig]) -> None:
    found = tables.comparison(tree[0], None, write=False)
    assert set(found["method"]) == {"emonas", "random", "random_mean", "small_cnn", "vgg16"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (541_000, "541k"),
        (3_349_342, "3.35M"),
        (1.2e9, "1.20G"),
        (999_600, "1.00M"),
        (7, "7"),
        (None, "-"),
        (61.5, "61.5"),
    ],
)
def test_short_counts(value: float | None, text: str) -> None:
    assert texts.short_count(value) == text


def test_names_cannot_break_markdown_or_latex() -> None:
    assert texts.markdown_table(["a"], [["x|y\n<b>"]]).splitlines()[2] == "| x\\|y &lt;b> |"
    latex = texts.latex_table(["a_b", "c"], [["50 %", "x & y"]], "cap_tion", "tab:x_y")
    assert r"a\_b & c \\" in latex and r"50 \% & x \& y \\" in latex and r"\label{tab:x-y}" in latex


def test_the_note_on_constant_answers_names_the_class_or_counts_the_folds():
    varied = {"constant_predictor": False, "constant_folds": [], "folds": 4}
    assert tables.constant_note([varied]) == ""
    folds = {**varied, "constant_folds": ["1", "3"]}
    assert tables.constant_note([folds, varied]) == "one class for all samples in 2 of 8 folds"
    whole = {**folds, "constant_predictor": True, "top_prediction": {"class": "fear", "share": 1.0}}
    assert tables.constant_note([whole, varied]) == "constant predictor in 1 of 2 seeds: fear"


def test_latex_columns_of_numbers_stand_right_and_signs_are_no_hyphens():
    latex = texts.latex_table(["a", "b", "c"], [["x-1", "-2.5 [-3.0, +1.0]", "-"], ["y", "4.0", "-"]], "t", "tab:t")
    assert r"\begin{tabular}{lrl}" in latex and r"\resizebox" in latex
    assert r"x-1 & $-$2.5 {[}$-$3.0, $+$1.0{]} & - \\" in latex
    wrapped = texts.latex_table(["a", "b"], [["w" * 100, "w" * 49]], "t", "tab:t")
    assert r"p{0.250\linewidth}" in wrapped and r"p{0.226\linewidth}" in wrapped  # 0.55 by roots of 100 and 49, cut
    long = texts.latex_table(["a"], [["v"]] * (texts.LONG + 1), "t", "tab:t")
    assert r"\begin{longtable}{l}" in long and r"\setlength{\LTcapwidth}{\linewidth}" in long


def test_a_learning_rate_that_was_tried_and_not_kept_is_search(tmp_path):
    run = MethodRun("t-rendered", "p", "m", "no_data", tmp_path)
    write_json(tmp_path / "s0" / "g0" / "cost.json", {"macs": 5.0})
    write_json(tmp_path / "s0" / "g0" / "status.json", {"status": "ok"})
    for repetition, choice in ((0, 4.0), (1, 8.0)):
        for shard in (0, 1):
            folder = tmp_path / "s0" / f"t{repetition}" / f"shard{shard}"
            write_json(folder / "status.json", {"status": "ok"})
            write_json(folder / "cost.json", {"macs": 100.0, "choice_macs": choice})
    assert tables._search_macs(run) == 5.0 + (2 * 4.0 + 2 * 8.0) / 2
