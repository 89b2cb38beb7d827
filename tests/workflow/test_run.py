"""The whole chain on configs/tiny.yaml: it runs, it skips what is finished, a change reruns exactly what it touches."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from fernas.core.io import read_json, read_jsonl
from fernas.deploy.export import export_onnx
from tests.fixtures.workflow_folder import TINY, Workflow

pytestmark = pytest.mark.e2e


def comparison(workflow: Workflow) -> pd.DataFrame:
    """The rows of the methods that the study runs."""
    table = pd.read_csv(workflow.folder / "results-tiny" / "comparison.csv")
    others = table["status"] == "skipped"
    assert table.loc[others, "reason"].str.startswith("not in this study").all()
    return table[~others]


def test_tables_report_and_runs_are_there(finished):
    table = comparison(finished)
    assert set(table["method"]) == {"emonas", "random_mean", "small_cnn"}
    assert (table["status"] == "ok").all(), table[["method", "status", "reason"]]
    assert table["rendered"].all() and table["leaks"].isna().all()
    assert table["uar"].between(0, 1).all()
    # so small networks may predict one class, whose interval cannot be estimated: then both bounds are missing
    known = table["uar_low"].notna()
    assert (table["uar_low"] <= table["uar_high"])[known].all() and (known == table["uar_high"].notna()).all()
    html = (finished.folder / "results-tiny" / "report" / "index.html").read_text()
    assert "endered" in html and "emonas" in html
    status = [read_json(p)["status"] for p in (finished.folder / "results-tiny" / "runs").rglob("status.json")]
    assert set(status) == {"ok"}


def test_the_mirror_holds_the_runs(finished):
    import sqlite3

    with sqlite3.connect(finished.folder / "results-tiny" / "mlflow.db") as store:
        statuses = {row[0] for row in store.execute("select status from runs")}
        metrics = store.execute("select count(*) from metrics").fetchone()[0]
    assert statuses == {"FINISHED"} and metrics > 0


def test_a_second_run_has_nothing_to_do(finished):
    result = finished.snakemake(*TINY)
    assert result.status == 0 and "Nothing to be done" in result.text, result.text[-3000:]


def planned(workflow: Workflow) -> dict[str, int]:
    return {rule: n for rule, n in workflow.planned().items() if rule not in ("compare", "report")}


def test_a_training_value_reruns_training_and_what_follows(finished, tmp_path):
    workflow = finished.clone(tmp_path / "copy")
    workflow.edit_config(lambda d: d["methods"]["emonas"]["recipe_options"].update(epochs=2))
    assert planned(workflow) == {"train": 1, "predict": 1, "score": 1}


def test_a_search_value_reruns_search_and_what_follows(finished, tmp_path):
    workflow = finished.clone(tmp_path / "copy")
    workflow.edit_config(lambda d: d["methods"]["emonas"]["search_options"].update(epochs=4))
    assert planned(workflow) == {"search": 2, "train": 1, "predict": 1, "score": 1}


def test_a_resource_or_a_thread_free_value_reruns_nothing(finished, tmp_path):
    workflow = finished.clone(tmp_path / "copy")
    workflow.edit_config(lambda d: d["methods"]["emonas"].update(mem_mb=1600))
    assert planned(workflow) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("fernas/search/darts_first.py", None, "\nCHANGED = 1\n", {"search": 2, "train": 1, "predict": 1, "score": 1}),
        ("fernas/search/darts_first.py", None, "\n# a comment\n", {}),
        ("fernas/search/brand_new.py", None, "PLUGIN = None\n", {}),
        ("fernas/scoring/scores.py", None, "\nCHANGED = 1\n", {"score": 4}),
        ("fernas/core/errors.py", None, "\nCHANGED = 1\n", {}),
    ],
)
def test_a_changed_module_reruns_the_stages_that_use_it(finished, tmp_path, file, old, new, expected):
    workflow = finished.clone(tmp_path / "copy")
    with open(workflow.folder / file, "a") as stream:
        stream.write(new)
    found = planned(workflow)
    if expected and "search" in expected:
        # a search that runs again may give the same file, so what follows is planned from it at the latest after it
        assert found.get("search") == expected["search"] and set(found) <= set(expected)
    else:
        assert found == expected


@pytest.mark.parametrize("stage", ["search", "train"])
def test_kill_nine_costs_at_most_a_checkpoint_and_changes_nothing(finished, tmp_path, stage):
    workflow = finished.clone(tmp_path / "copy")
    results = workflow.folder / "results-tiny"
    base = results / "runs" / "ckplus-3-rendered" / "subject2" / "emonas" / "per_group" / "s0"
    before = {name: (base / name).read_bytes() for name in ("g0/architecture.json",)}
    predictions = pd.read_parquet(base / "t0" / "predictions.parquet")
    folder, log = (base / "g0", "search.jsonl") if stage == "search" else (base / "t0" / "shard0", "training.jsonl")
    epochs = 40 if stage == "search" else 60
    # A long enough job to be killed in its middle: more epochs, in both the killed and the reference run.
    key = "search_options" if stage == "search" else "recipe_options"
    workflow.edit_config(lambda d: d["methods"]["emonas"][key].update(epochs=epochs))
    reference = workflow.clone(tmp_path / "reference")
    target = "results-tiny/runs/ckplus-3-rendered/subject2/emonas/per_group/s0/t0/scores.json"
    assert reference.snakemake(target, *TINY).status == 0
    environment = {**os.environ, "PYTHONPATH": str(workflow.package)}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", target, *TINY]
    process = subprocess.Popen(
        command, cwd=workflow.folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while len(read_jsonl(folder / log)) < 5 or not list((results / ".work").rglob("checkpoint.pt")):
        assert time.monotonic() < deadline and process.poll() is None, "the job ended before it could be killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(["pkill", "-9", "-f", str(workflow.folder)], check=False)
    done_before = len(read_jsonl(folder / log))
    result = workflow.snakemake(target, *TINY)
    assert result.status == 0, result.text[-4000:]
    text = "".join(p.read_text() for p in (results / "logs").rglob("*emonas*.log"))
    assert "continuing from" in text, f"{done_before} epochs were done and none was taken over"
    other = reference.folder / "results-tiny" / base.relative_to(results)
    for name in ("g0/architecture.json", "g1/architecture.json"):
        assert (base / name).read_bytes() == (other / name).read_bytes()
    found, expected = (pd.read_parquet(p / "t0" / "predictions.parquet") for p in (base, other))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert before and len(predictions) == len(found)


def test_a_failed_method_is_a_row_and_can_be_retried(finished, tmp_path):
    workflow = finished.clone(tmp_path / "copy")
    workflow.edit_config(lambda d: d["methods"]["emonas"]["search_options"].update(lr=1e30))
    result = workflow.snakemake(*TINY)
    assert result.status == 0, result.text[-4000:]
    row = comparison(workflow).set_index("method").loc["emonas"]
    assert row["status"] == "failed" and isinstance(row["reason"], str) and row["reason"]
    assert set(comparison(workflow)["method"]) == {"emonas", "random_mean", "small_cnn"}


def test_a_model_for_use_and_what_networks_cost_come_from_their_targets(finished, tmp_path):
    workflow = finished.clone(tmp_path / "copy")
    entry = {"task": "ckplus-3", "protocol": "subject2"}
    workflow.edit_config(lambda d: d.update(final=[{**entry, "method": name} for name in ("emonas", "small_cnn")]))
    for target in ("final", "complexity"):
        result = workflow.snakemake(target, *TINY)
        assert result.status == 0, result.text[-4000:]
    results = workflow.folder / "results-tiny"
    for method, scope in (("emonas", "per_group"), ("small_cnn", "no_data")):
        folder = results / "final" / "ckplus-3-rendered" / "subject2" / method
        scores = read_json(
            results.joinpath("runs", "ckplus-3-rendered", "subject2", method, scope, "s0/t0/scores.json")
        )
        card = read_json(folder / "card.json")
        assert card["uar"] == scores["uar"] and card["rendered"] and "cross-validation" in card["accuracy_is"]
        told = export_onnx(folder, tmp_path / f"{method}.onnx")
        assert told["classes"] == ["happiness", "surprise", "neutral"] and told["largest_difference"] < 1e-4
    table = pd.read_csv(results / "tables" / "complexity.csv")
    keys = ["task", "method", "search_scope"]
    rows, ours = table.set_index(keys), comparison(workflow).set_index(keys)
    assert set(rows.index) == set(ours.index)  # the search of the final model is none of the study
    for key, row in rows.iterrows():
        assert row["params"] == ours.loc[key, "params"] and row["latency_1_ms"] > 0 and row["latency_32_ms"] > 0
    again = workflow.snakemake("final", *TINY)
    assert again.status == 0 and "Nothing to be done" in again.text
