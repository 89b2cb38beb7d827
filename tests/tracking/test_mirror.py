"""The mirror: idempotent, live, never fatal, rebuilt from files."""

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fernas.core.config import StudyConfig
from fernas.core.errors import ConfigError
from fernas.core.io import append_jsonl, read_json, write_json
from fernas.reporting.tables import comparison
from fernas.tracking import mirror as tracking

KILLED_JOB = "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/g1"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables exist: creating them takes seconds, copying does not."""
    from fernas.tracking._mlflow import Store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    Store(f"sqlite:///{path}", None)
    return path


@pytest.fixture
def results(own_tree: tuple[Path, StudyConfig], empty_store: Path) -> Path:
    for left_out in (
        "megc2019-3-rendered",
        "ckplus-7n-rendered/kfold4/random_mean",
        "ckplus-7n-rendered/kfold4/small_cnn",
    ):
        shutil.rmtree(own_tree[0] / "runs" / left_out)
    shutil.copy(empty_store, own_tree[0] / "mlflow.db")
    return own_tree[0]


def client_of(results: Path) -> Any:
    """A client of the store beside the results, as it is on disk now."""
    from mlflow import MlflowClient

    from fernas.tracking._mlflow import fresh_uri

    return MlflowClient(tracking_uri=fresh_uri(tracking.default_uri(results)))


def runs(results: Path) -> dict[str, Any]:
    """Path -> run of all runs in the store that are not superseded."""
    client = client_of(results)
    experiments = [e.experiment_id for e in client.search_experiments() if e.name.startswith("fernas/")]
    found = client.search_runs(experiments)
    return {r.data.tags["fernas.path"]: r for r in found if r.data.tags.get("fernas.superseded") != "true"}


def content(results: Path) -> dict[str, Any]:
    """Everything a reader sees of the store, without its ids and times of writing."""
    client = client_of(results)
    found = {}
    for path, run in runs(results).items():
        tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}
        history = {
            name: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        folders = ["", *(f.path for f in client.list_artifacts(run.info.run_id) if f.is_dir)]
        files = sorted(f.path for folder in folders for f in client.list_artifacts(run.info.run_id, folder or None))
        found[path] = (
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            tags,
            dict(run.data.params),
            history,
            files,
        )
    return found


def test_sync_mirrors_everything_and_twice_changes_nothing(results: Path) -> None:
    first = tracking.sync(results)
    before = content(results)
    second = tracking.sync(results)
    assert (first.error, second.error) == ("", "")
    assert first.created == len(before) > 10 and second.created == 0
    assert content(results) == before

    base = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    found = runs(results)
    parent, search, shard = found[base], found[f"{base}/g0"], found[f"{base}/t1/shard1"]
    assert {search.data.tags["mlflow.parentRunId"], shard.data.tags["mlflow.parentRunId"]} == {parent.info.run_id}
    assert [step for step, _, _ in before[f"{base}/g0"][5]["weight_loss"]] == list(range(8))
    assert [step for step, _, _ in before[f"{base}/t1/shard1"][5]["fold3/inner_uar"]] == list(range(6))
    seeds = [read_json(results / "runs" / base / f"t{t}/scores.json")["uar"] for t in (0, 1)]
    assert parent.data.metrics["uar"] == pytest.approx(sum(seeds) / 2)
    assert {"architecture.json", "cell.svg"} <= set(before[f"{base}/g0"][6])
    assert {"t0/confusion.png", "t0/predictions.parquet"} <= set(before[base][6])
    assert parent.info.status == "FINISHED" and search.data.tags["method"] == "emonas"
    assert found["ckplus-7n-rendered/kfold4/vgg16/no_data/s0"].info.status == "FAILED"
    assert "out of memory" in found["ckplus-7n-rendered/kfold4/vgg16/no_data/s0/t0/shard0"].data.tags["fernas.reason"]


def test_a_deleted_store_is_rebuilt_the_same(results: Path, empty_store: Path) -> None:
    tracking.sync(results)
    before = content(results)
    (results / "mlflow.db").unlink()
    shutil.rmtree(results / "mlflow-artifacts")
    shutil.copy(empty_store, results / "mlflow.db")
    tracking.sync(results)
    assert content(results) == before


def set_running(folder: Path, **values: Any) -> None:
    status = read_json(folder / "status.json")
    write_json(folder / "status.json", status | {"status": "running", "ended": None} | values)


def test_a_killed_job_becomes_killed_and_comes_back(results: Path) -> None:
    import socket

    job = results / KILLED_JOB
    path = KILLED_JOB.removeprefix("runs/")
    set_running(job, host=socket.gethostname(), pid=4194304, heartbeat=time.time() - 60)
    tracking.sync(results)
    assert runs(results)[path].info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in runs(results).values()}
    set_running(job, host=socket.gethostname(), pid=os.getpid(), heartbeat=time.time())
    report = tracking.sync(results)
    assert report.created == 0 and runs(results)[path].info.status == "RUNNING"
    tracking.sync(results, final=True)
    assert runs(results)[path].info.status == "KILLED"


def points(results: Path, path: str, name: str) -> list[tuple[int, float, int]]:
    client = client_of(results)
    history = client.get_metric_history(runs(results)[path].info.run_id, name)
    return sorted((m.step, m.value, m.timestamp) for m in history)


def test_a_job_that_continues_after_a_kill_has_each_point_once(results: Path) -> None:
    """Killed after five epochs, continued from a checkpoint after three: two epochs are written again, later."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    rows = [{"step": k, "time": 100.0 + k, "train_loss": 2.0 - k / 10} for k in range(8)]

    def write(wanted: list[dict[str, Any]]) -> None:
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in wanted))

    set_running(folder, host="elsewhere", heartbeat=time.time())
    write(rows[:5])
    tracking.sync(results)
    before = runs(results)[path].info.run_id
    later = [row | {"time": row["time"] + 1000} for row in rows]
    for wanted in (rows[:3], rows[:3] + later[3:4], rows[:3] + later[3:]):  # what a live mirror sees
        write(wanted)
        tracking.sync(results)
        assert points(results, path, "train_loss") == [
            (row["step"], row["train_loss"], int(row["time"] * 1000)) for row in wanted
        ]
    assert runs(results)[path].info.run_id != before
    assert tracking.sync(results).created == 0


def test_a_restart_that_repeats_everything_is_seen_though_no_row_is_fewer(results: Path) -> None:
    """Between two looks of the mirror the job came back and wrote as many rows as before."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    for shift in (0.0, 500.0):
        rows = [{"step": k, "time": 100.0 + k + shift, "train_loss": 1.0} for k in range(4)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tracking.sync(results)
    assert [when for _, _, when in points(results, path, "train_loss")] == [int((600.0 + k) * 1000) for k in range(4)]


def test_a_job_without_curves_that_runs_again_has_its_cost_once(results: Path) -> None:
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    write_json(folder / "cost.json", {"core_s": 1.0})
    (folder / "metrics.jsonl").unlink()
    tracking.sync(results)
    status = read_json(folder / "status.json")
    write_json(folder / "cost.json", {"core_s": 2.0})
    write_json(folder / "status.json", status | {"started": time.time(), "ended": time.time() + 5})
    tracking.sync(results)
    assert [value for _, value, _ in points(results, path, "cost/core_s")] == [2.0]
    assert tracking.sync(results).created == 0


def test_a_run_whose_status_is_gone_is_not_running(results: Path) -> None:
    """Snakemake removes the outputs of a job that failed or was told to end, its status among them."""
    folder, path = results / KILLED_JOB, KILLED_JOB.removeprefix("runs/")
    set_running(folder, host="elsewhere", heartbeat=time.time())
    mirror = tracking.Mirror(results, tracking.default_uri(results))
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
    tracking.sync(results)
    before = points(results, path, "uar")
    for scores in (results / "runs" / path).glob("t*/scores.json"):
        os.utime(scores, (1e9, 1e9))
    tracking.sync(results)
    assert points(results, path, "uar") == before


def test_scores_of_an_earlier_training_are_withdrawn(results: Path) -> None:
    """The methods of a study are searched anew: until the new scores are there, the mirror has seen the old ones."""
    path = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    tracking.sync(results)
    before = runs(results)[path].info.run_id
    scores = next((results / "runs" / path).glob("t*/scores.json"))
    write_json(scores, read_json(scores) | {"uar": 0.125})
    tracking.sync(results)
    after = runs(results)[path]
    assert after.info.run_id != before and after.info.status == "FINISHED"
    assert {value for _, value, _ in points(results, path, f"scores/{scores.parent.name}/uar")} == {0.125}
    steps = [step for step, _, _ in points(results, path, "uar")]
    assert len(steps) == len(set(steps))
    assert runs(results)[f"{path}/g0"].data.tags["mlflow.parentRunId"] == after.info.run_id
    assert tracking.sync(results).created == 0


def test_the_same_comparison_with_another_date_is_one_point(own_tree: tuple[Path, StudyConfig], results: Path) -> None:
    comparison(results, own_tree[1])
    tracking.sync(results)
    name = "uar/ckplus-7n/kfold4/emonas/per_group"
    before = points(results, "comparison", name)
    os.utime(results / "comparison.csv", (1e9, 1e9))
    tracking.sync(results)
    assert points(results, "comparison", name) == before and len(before) == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"status": "ok"}, "FINISHED"),
        ({"status": "failed"}, "FAILED"),
        ({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 - 100}, "RUNNING"),
        ({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 - 301}, "KILLED"),
        ({"status": "running", "started": 1000.0 - 5}, "RUNNING"),
        ({"status": "running"}, "KILLED"),
    ],
)
def test_states(status: dict[str, Any], state: str) -> None:
    assert tracking.job_state(status, now=1000.0) == state
    assert tracking.job_state(status, final=True) in ("FINISHED", "FAILED", "KILLED")


def test_a_run_whose_key_changed_is_superseded(results: Path) -> None:

    tracking.sync(results)
    folder = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/t0/shard0"
    status = read_json(folder / "status.json")
    write_json(folder / "status.json", status | {"run_key": "another"})
    report = tracking.sync(results)
    assert report.created == 2  # the shard and its parent; the searches move to the new parent
    client = client_of(results)
    experiment = client.get_experiment_by_name("fernas/ckplus-7n-rendered/kfold4")
    assert experiment is not None
    old = client.search_runs([experiment.experiment_id], "tags.`fernas.superseded` = 'true'")
    base = "ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    assert {run.data.tags["fernas.path"] for run in old} == {base, f"{base}/t0/shard0"}
    assert runs(results)[f"{base}/g0"].data.tags["mlflow.parentRunId"] == runs(results)[base].info.run_id


def test_the_comparison_is_a_run_and_runs_are_found_by_tags(own_tree: tuple[Path, StudyConfig], results: Path) -> None:
    tracking.sync(results)
    frame = comparison(results, own_tree[1])
    assert tracking.sync(results).created == 1
    assert tracking.sync(results).created == 0
    uar = float(frame.loc[frame["method"] == "emonas", "uar"].iloc[0])
    metrics = runs(results)["comparison"].data.metrics
    assert metrics["uar/ckplus-7n/kfold4/emonas/per_group"] == pytest.approx(uar, abs=1e-5)
    client = client_of(results)
    experiment = client.get_experiment_by_name("fernas/ckplus-7n-rendered/kfold4")
    query = "tags.method = 'emonas' and tags.dataset = 'ckplus' and tags.stage = 'method'"
    found = client.search_runs([experiment.experiment_id], query, order_by=["metrics.uar DESC"])
    assert len(found) == 1 and found[0].data.metrics["uar"] == pytest.approx(uar)
    assert found[0].data.tags["best"] == "true"


def test_a_dead_server_warns_and_nothing_else(results: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report = tracking.sync(results, "http://127.0.0.1:9", attempts=1)
    assert report.error and "not reachable" in caplog.text
    (results / "stop").touch()
    assert tracking.follow(results, "http://127.0.0.1:9", stop_file=results / "stop", interval_s=0.1).error


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_a_file_store_is_refused_in_words(results: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match="file store.*sqlite:///"):
        tracking.sync(results, uri)


def test_an_unknown_scheme_is_refused(results: Path) -> None:
    with pytest.raises(ConfigError, match="unknown scheme"):
        tracking.check_uri("ftp://x")


def test_follow_shows_curves_while_files_grow(results: Path) -> None:
    folder = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/g1"
    path = "ckplus-7n-rendered/kfold4/emonas/per_group/s0/g1"
    (folder / "metrics.jsonl").unlink()
    set_running(folder, host="elsewhere", heartbeat=time.time())
    append_jsonl(folder / "metrics.jsonl", {"step": 0, "time": 1.0, "train_loss": 2.0})
    stop = results / "stop"
    thread = threading.Thread(target=tracking.follow, args=(results,), kwargs={"stop_file": stop, "interval_s": 0.1})
    thread.start()
    try:
        wait_for(lambda: path in runs(results) and runs(results)[path].data.metrics.get("train_loss") == 2.0)
        assert runs(results)[path].info.status == "RUNNING"
        with open(folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": 1, "time": 2.0, "train_loss": 1.5}) + '\n{"step": 2, "tra')
        wait_for(lambda: runs(results)[path].data.metrics["train_loss"] == 1.5)
    finally:
        stop.touch()
        thread.join(60)
    assert not thread.is_alive()
    assert runs(results)[path].info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in runs(results).values()}


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
