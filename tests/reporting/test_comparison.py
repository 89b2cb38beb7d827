"""The comparison: its columns, its rows for failed and skipped methods."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core.io import read_json, write_json
from fernas.metrics import all_metrics
from fernas.reporting.comparison import comparison, notes, table_columns, task_records
from fernas.reporting.formats import records_of
from fernas.reporting.statistics import winner
from fernas.reporting.verdict import lead
from fernas.scoring.scores import score_seeds
from tests.fixtures.made_up_results import study_document
from tests.reporting.conftest import Tree, study_of


@pytest.fixture(scope="module")
def frame(tree: Tree) -> pd.DataFrame:
    return comparison(*tree)


def row(frame: pd.DataFrame, task: str, method: str) -> pd.Series:
    found = frame[(frame["task"] == task) & (frame["method"] == method)]
    assert len(found) == 1
    return found.iloc[0]


def test_the_columns_are_those_of_the_contract_and_every_metric(frame: pd.DataFrame) -> None:
    contract = (
        "dataset, task, protocol, method, search, space, recipe, search_scope, seed_count, folds, status, reason, "
        "accuracy, uf1, uar, uar_low, uar_high, interval_unit, params, macs, search_macs, "
        "core_s, extra_data, leaks, oracle_uar, rendered"
    ).split(", ")
    metrics = {metric.name for metric in all_metrics()}
    assert [name for name in frame.columns if name in contract] == contract
    assert set(frame.columns) - set(contract) == metrics - {"accuracy", "uf1", "uar"}


def test_a_finished_method_has_the_mean_over_its_seeds(frame: pd.DataFrame, tree: Tree) -> None:
    found = row(frame, "ckplus-7n", "emonas")
    folder = tree[0] / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    seeds = [read_json(folder / f"t{t}/scores.json")["uar"] for t in (0, 1)]
    assert found["status"] == "ok" and found["seed_count"] == 2 and found["folds"] == 4
    assert found["uar"] == pytest.approx(np.mean(seeds))
    seeds = [pd.read_parquet(folder / f"t{t}/predictions.parquet") for t in (0, 1)]
    assert [found["uar_low"], found["uar_high"]] == score_seeds(seeds)["interval"]["uar"]
    assert found["search_macs"] == pytest.approx(2 * 3e12)
    assert found["core_s"] == pytest.approx(2 * 19 + 2 * 8.5)
    assert found["rendered"] and found["dataset"] == "ckplus" and found["search"] == "darts_first"


def test_the_rows_of_a_task_are_sorted_by_uar_and_unfinished_ones_are_last(frame: pd.DataFrame) -> None:
    turned = frame.assign(accuracy=1 - frame["uar"], uf1=1 - frame["uar"])
    rows = [record["uar"] for record in task_records(turned, "ckplus-7n", "kfold4")]
    scores = [uar for uar in rows if not np.isnan(uar)]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True) and not np.isnan(rows[:4]).any()


def test_failed_and_skipped_methods_are_rows_with_reasons(frame: pd.DataFrame) -> None:
    failed = row(frame, "ckplus-7n", "vgg16")
    assert failed["status"] == "failed" and "out of memory" in failed["reason"] and np.isnan(failed["uar"])
    absent = row(frame, "fer2013-7", "emonas")
    assert absent["status"] == "skipped" and "datasets.fer2013" in absent["reason"] and not absent["rendered"]
    unlisted = row(frame, "megc2019-3", "darts")
    assert unlisted["status"] == "skipped" and "megc2019-3" in unlisted["reason"]


def test_a_run_that_never_started_is_skipped(own_tree: Tree) -> None:
    results, study = own_tree
    (results / "runs/ckplus-7n-rendered/kfold4/random").rename(results / "gone")
    found = row(comparison(results, study), "ckplus-7n", "random")
    assert (found["status"], found["reason"]) == ("skipped", "not run yet")


def test_leaks_are_a_column(own_tree: Tree) -> None:
    results, study = own_tree
    audit = results / "tasks/ckplus-7n-rendered/kfold4/audit.json"
    write_json(audit, {"ok": True, "leaks": ["subject S001 on both sides of fold 1"]})
    assert "S001" in row(comparison(results, study), "ckplus-7n", "emonas")["leaks"]


def test_near_duplicates_in_training_stand_beside_the_score(own_tree: Tree) -> None:
    results, study = own_tree
    leaks = {"test samples with a near-duplicate in training": 16}
    write_json(results / "tasks/ckplus-7n-rendered/kfold4/audit.json", {"ok": True, "leaks": leaks})
    found = row(comparison(results, study), "ckplus-7n", "emonas")
    text = "test samples with a near-duplicate in training: 16"
    assert found["leaks"] == text and notes(found.to_dict()) == f"leaks: {text}"


def test_a_replica_of_released_code_is_named_beside_its_score(own_tree: Tree) -> None:
    results, document = own_tree[0], study_document()
    copied = {"search": "sgas", "space": "autofernet", "search_options": {"pruned": "published"}}
    document["methods"]["emonas"] |= copied
    document["methods"]["random"]["init_from"] = {"task": "ckplus-7n", "protocol": "kfold4", "method": "emonas"}
    found = comparison_of_members(results, document)
    text = "replica: pruned edges add a map again, as published"
    assert found["emonas"]["reason"] == text and f"emonas: {text}" in found["random"]["reason"]
    document["methods"]["emonas"]["search_options"] = {}
    assert comparison_of_members(results, document)["emonas"]["reason"] == ""


def test_the_best_epoch_on_the_test_split_is_a_column_beside_the_score(own_tree: Tree) -> None:
    results, study = own_tree
    before = row(comparison(results, study), "ckplus-7n", "emonas")
    assert np.isnan(before["oracle_uar"]) and "oracle" not in before["leaks"]
    for t, value in ((0, 0.8), (1, 0.9)):
        path = results / f"runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/t{t}/scores.json"
        write_json(path, {**read_json(path), "oracle": {"uar": value}})
    found = row(comparison(results, study), "ckplus-7n", "emonas")
    assert found["oracle_uar"] == pytest.approx(0.85) and found["uar"] == before["uar"]
    assert "test split" in found["leaks"] and "oracle UAR 85.0" in notes(found.to_dict())


def test_an_ensemble_costs_what_its_members_cost(own_tree: Tree) -> None:
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


def test_a_baseline_says_what_share_of_the_reference_budget_its_search_spent(own_tree: Tree) -> None:
    results, study = own_tree
    assert "MACs" not in row(comparison(results, study), "ckplus-7n", "random")["reason"]
    document = study_document()
    document["methods"]["random"]["budget_from"] = "emonas"
    for group in (0, 1):
        path = results / f"runs/ckplus-7n-rendered/kfold4/random/per_group/s0/g{group}/cost.json"
        write_json(path, read_json(path) | {"macs": 2.91e12})
    found = comparison_of_members(results, document)["random"]
    assert found["reason"] == "search spent 97.0 % of the MACs of emonas"


def comparison_of_members(results: Path, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = comparison(results, study_of(document))
    return {row["method"]: row for row in records_of(found[found["task"] == "ckplus-7n"])}


def test_a_metric_of_the_scores_is_a_column_by_its_file_alone(frame: pd.DataFrame, tree: Tree) -> None:
    folder = tree[0] / "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/t0"
    scores = read_json(folder / "scores.json")
    for metric in all_metrics():
        assert row(frame, "ckplus-7n", "random")[metric.name] == pytest.approx(scores[metric.name])


def test_every_column_of_the_report_is_explained() -> None:
    shown = {column.key: column for column in table_columns() if "html" in column.forms}
    assert {metric.name for metric in all_metrics()} <= set(shown)
    assert [key for key, column in shown.items() if not column.about] == ["method"]
    assert shown["accuracy"].about == "Accuracy: the share of samples that are classified right"
    assert shown["kappa"].show({"kappa": -0.25}) == "-0.25" and shown["uf1"].show({"uf1": 0.25}) == "25.0"


def with_a_chain(results: Path) -> dict[str, Any]:
    """On one task: a search that saw the test subjects, a method that takes its network, one that starts from that, an
    ensemble of the latter; on another task a method that starts from the second one. Each copies small_cnn's scores."""
    document = study_document()
    base, taken = {"task": "ckplus-7n", "protocol": "kfold4"}, {"search": "taken", "recipe": "finetune"}
    document["methods"]["emonas"]["scopes"] = ["per_group", "whole_dataset"]
    document["methods"] |= {
        "second": taken | {"init_from": base | {"method": "emonas", "scope": "whole_dataset"}},
        "third": taken | {"init_from": base | {"method": "second", "scope": "no_data"}},
        "both": {"combine": ["third", "random"]},
        "moved": taken | {"init_from": base | {"method": "third", "scope": "no_data"}, "extra_data": True},
        "moved_on": taken
        | {"init_from": {"task": "megc2019-3", "protocol": "megc", "method": "moved", "scope": "no_data"}},
    }
    document["study"][0]["methods"] += ["second", "third", "both"]
    document["study"][1]["methods"] += ["moved", "moved_on"]
    base_folder = results / "runs/ckplus-7n-rendered/kfold4"
    for method in ("second", "third", "both"):
        scope = "per_group" if method == "both" else "no_data"
        shutil.copytree(base_folder / "small_cnn/no_data/s0/t0", base_folder / method / scope / "s0/t0")
    return document


def test_leaks_and_extra_data_are_inherited_over_the_whole_chain(own_tree: Tree) -> None:
    results, _ = own_tree
    frame = comparison(results, study_of(with_a_chain(results)))
    for method in ("second", "third", "both"):
        found = row(frame, "ckplus-7n", method)
        assert found["leaks"] == "emonas: search saw the test subjects" and found["extra_data"] == "False"
    for method in ("moved", "moved_on"):  # other people are tested there
        found = row(frame, "megc2019-3", method)
        assert found["leaks"] == "" and found["extra_data"] == "True"


def test_a_row_that_builds_on_a_search_of_the_test_subjects_is_never_the_best(own_tree: Tree) -> None:
    results, _ = own_tree
    frame = comparison(results, study_of(with_a_chain(results)))
    frame.loc[frame["method"] == "third", "uar"] = 1.0
    records = task_records(frame, "ckplus-7n", "kfold4")
    best = winner(records)
    assert records[0]["method"] == "third" and records[0]["search_scope"] == "no_data"
    assert best is not None and best["method"] == "emonas"
    assert "emonas has the highest UAR" in lead(records, 1 / 7)
