"""The mirror: idempotent, never fatal, rebuilt from files."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from fernas.core.io import read_json, read_npy, write_json
from fernas.metrics import all_metrics
from fernas.reporting.compare import compare_study
from fernas.tracking.follow import default_uri, sync
from fernas.tracking.mirror import Mirror
from fernas.tracking.run_files import job_state
from tests.fixtures.mlflow_stores import client_of, content, points, runs, set_running
from tests.fixtures.pixels import files_with_faces
from tests.fixtures.stored_studies import Tree

KILLED_JOB = "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/g1"


def test_sync_mirrors_everything_and_twice_changes_nothing(results: Path) -> None:
    first = sync(results)
    before = content(results)
    second = sync(results)
    assert (first.error, second.error) == ("", "")
    assert first.created == len(before) > 10 and second.created == 0
    assert content(results) == before

    base = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    stored = runs(results)
    parent, search, shard = stored[base], stored[f"{base}/g0"], stored[f"{base}/t1/shard1"]
    assert {search.data.tags["mlflow.parentRunId"], shard.data.tags["mlflow.parentRunId"]} == {parent.info.run_id}
    assert [step for step, _, _ in before[f"{base}/g0"][5]["weight_loss"]] == list(range(8))
    assert [step for step, _, _ in before[f"{base}/t1/shard1"][5]["fold3/inner_uar"]] == list(range(6))
    seeds = [read_json(results / "runs" / base / f"t{t}/scores.json")["uar"] for t in (0, 1)]
    assert parent.data.metrics["uar"] == pytest.approx(sum(seeds) / 2)
    for metric in all_metrics():
        assert {metric.name, f"scores/t0/{metric.name}", f"scores/t1/{metric.name}"} <= set(parent.data.metrics)
    assert {"architecture.json", "cell.svg"} <= set(before[f"{base}/g0"][6])
    assert {"t0/confusion.png", "t0/predictions.parquet"} <= set(before[base][6])
    assert parent.info.status == "FINISHED" and search.data.tags["method"] == "emonas"
    assert stored["ckplus-7n-rendered/kfold4/vgg16/no_data/s0"].info.status == "FAILED"
    assert "out of memory" in stored["ckplus-7n-rendered/kfold4/vgg16/no_data/s0/t0/shard0"].data.tags["fernas.reason"]
    # no run has an image of a face, whoever it shows
    faces = [read_npy(p)[:3] for name in ("previews.npy", "inputs.npy") for p in sorted(results.rglob(name))]
    found, looked_at = files_with_faces(results, faces, [], ("data", "tasks"))
    assert faces and found == [] and looked_at > 50


def test_a_deleted_store_is_rebuilt_the_same(results: Path, empty_store: Path) -> None:
    sync(results)
    before = content(results)
    (results / "mlflow.db").unlink()
    shutil.rmtree(results / "mlflow-artifacts")
    shutil.copy(empty_store, results / "mlflow.db")
    sync(results)
    assert content(results) == before


def test_seeds_that_the_config_no_longer_has_leave_the_store(results: Path) -> None:
    sync(results)
    base = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    mean = runs(results)[base].data.metrics["uar"]
    write_json(results / "left_over.json", [f"{base}/t1"])
    sync(results)
    stored = runs(results)
    assert f"{base}/t0/shard0" in stored and not [path for path in stored if path.startswith(f"{base}/t1")]
    uar = read_json(results / "runs" / base / "t0/scores.json")["uar"]
    assert stored[base].data.metrics["uar"] == pytest.approx(uar) != mean
    before = content(results)
    assert sync(results).created == 0 and content(results) == before


def test_a_killed_job_becomes_killed_and_comes_back(results: Path) -> None:
    import socket

    job = results / KILLED_JOB
    path = KILLED_JOB.removeprefix("runs/")
    set_running(job, host=socket.gethostname(), pid=4194304, heartbeat=time.time() - 60)
    sync(results)
    assert runs(results)[path].info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in runs(results).values()}
    set_running(job, host=socket.gethostname(), pid=os.getpid(), heartbeat=time.time())
    report = sync(results)
    assert report.created == 0 and runs(results)[path].info.status == "RUNNING"
    sync(results, final=True)
    assert runs(results)[path].info.status == "KILLED"


def test_a_job_that_continues_after_a_kill_has_each_point_once(results: Path) -> None:
    """Killed after five epochs, continued from a checkpoint after three: two epochs are written again, later."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    rows = [{"step": k, "time": 100.0 + k, "train_loss": 2.0 - k / 10} for k in range(8)]

    def write(wanted: list[dict[str, Any]]) -> None:
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in wanted))

    set_running(folder, host="elsewhere", heartbeat=time.time())
    write(rows[:5])
    sync(results)
    before = runs(results)[path].info.run_id
    later = [row | {"time": row["time"] + 1000} for row in rows]
    for wanted in (rows[:3], rows[:3] + later[3:4], rows[:3] + later[3:]):  # what a live mirror sees
        write(wanted)
        sync(results)
        assert points(results, path, "train_loss") == [
            (row["step"], row["train_loss"], int(row["time"] * 1000)) for row in wanted
        ]
    assert runs(results)[path].info.run_id != before
    assert sync(results).created == 0


def test_a_restart_that_repeats_everything_is_seen_though_no_row_is_fewer(results: Path) -> None:
    """Between two passes of the mirror the job came back and wrote as many rows as before."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    for shift in (0.0, 500.0):
        rows = [{"step": k, "time": 100.0 + k + shift, "train_loss": 1.0} for k in range(4)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sync(results)
    assert [when for _, _, when in points(results, path, "train_loss")] == [int((600.0 + k) * 1000) for k in range(4)]


def test_a_job_without_curves_that_runs_again_has_its_cost_once(results: Path) -> None:
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    write_json(folder / "cost.json", {"core_s": 1.0})
    (folder / "metrics.jsonl").unlink()
    sync(results)
    status = read_json(folder / "status.json")
    write_json(folder / "cost.json", {"core_s": 2.0})
    write_json(folder / "status.json", status | {"started": time.time(), "ended": time.time() + 5})
    sync(results)
    assert [value for _, value, _ in points(results, path, "cost/core_s")] == [2.0]
    assert sync(results).created == 0


def test_a_run_whose_status_is_gone_is_not_running(results: Path) -> None:
    """Snakemake removes the outputs of a job that failed or was asked to end, its status among them."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    set_running(folder, host="elsewhere", heartbeat=time.time())
    mirror = Mirror(results, default_uri(results))
    mirror.pass_once(live=True)
    assert runs(results)[path].info.status == "RUNNING"
    status = read_json(folder / "status.json")
    (folder / "status.json").unlink()
    mirror.pass_once(live=True)
    assert runs(results)[path].info.status == "KILLED"
    write_json(folder / "status.json", status | {"heartbeat": time.time()})
    mirror.pass_once(live=True)
    assert runs(results)[path].info.status == "RUNNING"


def test_the_same_scores_written_again_are_one_point(results: Path) -> None:
    path = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    sync(results)
    before = points(results, path, "uar")
    for scores in (results / "runs" / path).glob("t*/scores.json"):
        os.utime(scores, (1e9, 1e9))
    sync(results)
    assert points(results, path, "uar") == before


def test_scores_of_an_earlier_training_are_withdrawn(results: Path) -> None:
    """The methods of a study are searched anew: until the new scores are there, the mirror has seen the old ones."""
    path = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    sync(results)
    before = runs(results)[path].info.run_id
    scores = next((results / "runs" / path).glob("t*/scores.json"))
    write_json(scores, read_json(scores) | {"uar": 0.125})
    sync(results)
    after = runs(results)[path]
    assert after.info.run_id != before and after.info.status == "FINISHED"
    assert {value for _, value, _ in points(results, path, f"scores/{scores.parent.name}/uar")} == {0.125}
    steps = [step for step, _, _ in points(results, path, "uar")]
    assert len(steps) == len(set(steps))
    assert runs(results)[f"{path}/g0"].data.tags["mlflow.parentRunId"] == after.info.run_id
    assert sync(results).created == 0


def test_the_same_comparison_with_another_date_is_one_point(own_tree: Tree, results: Path) -> None:
    compare_study(*own_tree)
    sync(results)
    name = "uar/ckplus-7n/kfold4/emonas/per_group"
    before = points(results, "comparison", name)
    os.utime(results / "comparison.csv", (1e9, 1e9))
    sync(results)
    assert points(results, "comparison", name) == before and len(before) == 1


def test_a_run_whose_key_changed_is_superseded(results: Path) -> None:

    sync(results)
    folder = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/t0/shard0"
    status = read_json(folder / "status.json")
    write_json(folder / "status.json", status | {"run_key": "another"})
    report = sync(results)
    assert report.created == 2  # the shard and its parent; the searches move to the new parent
    client = client_of(results)
    experiment = client.get_experiment_by_name("fernas/ckplus-7n-rendered/kfold4")
    assert experiment is not None
    old = client.search_runs([experiment.experiment_id], "tags.`fernas.superseded` = 'true'")
    base = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    assert {run.data.tags["fernas.path"] for run in old} == {base, f"{base}/t0/shard0"}
    assert runs(results)[f"{base}/g0"].data.tags["mlflow.parentRunId"] == runs(results)[base].info.run_id


def test_the_comparison_is_a_run_and_runs_are_found_by_tags(own_tree: Tree, results: Path) -> None:
    sync(results)
    frame = compare_study(*own_tree).comparison
    assert sync(results).created == 1
    assert sync(results).created == 0
    uar = float(frame.loc[frame["method"] == "emonas", "uar"].iloc[0])
    metrics = runs(results)["comparison"].data.metrics
    assert metrics["uar/ckplus-7n/kfold4/emonas/per_group"] == pytest.approx(uar, abs=1e-5)
    client = client_of(results)
    experiment = client.get_experiment_by_name("fernas/ckplus-7n-rendered/kfold4")
    query = "tags.method = 'emonas' and tags.dataset = 'ckplus' and tags.stage = 'method'"
    stored = client.search_runs([experiment.experiment_id], query, order_by=["metrics.uar DESC"])
    assert len(stored) == 1 and stored[0].data.metrics["uar"] == pytest.approx(uar)
    assert stored[0].data.tags["best"] == "true"


def test_a_heartbeat_from_the_future_does_not_make_a_dead_job_run():

    assert job_state({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 + 3600}, now=1000.0) == "KILLED"
    assert job_state({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 + 100}, now=1000.0) == "RUNNING"


def test_leaks_and_extra_data_of_a_row_are_tags_of_its_runs(own_tree: Tree, results: Path) -> None:
    """Those that it inherits over a chain among them; they are those of the comparison."""
    sync(results)
    frame = compare_study(*own_tree).comparison
    row = frame["method"] == "emonas"
    frame.loc[row, ["leaks", "extra_data"]] = ["autofernet: search saw the test subjects", "True"]
    frame.to_csv(results / "comparison.csv", index=False)
    assert sync(results).error == ""
    parents = {path: run.data.tags for path, run in runs(results).items() if run.data.tags["stage"] == "method"}
    tags = parents["ckplus-7n-rendered/kfold4/emonas/per_group/s0"]
    assert (tags["leaks"], tags["extra_data"]) == ("autofernet: search saw the test subjects", "True")
    tags = parents["ckplus-7n-rendered/kfold4/vgg16/no_data/s0"]
    assert (tags["leaks"], tags["extra_data"]) == ("", "False")
