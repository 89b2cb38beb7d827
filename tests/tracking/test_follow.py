"""Following a study while it runs, and stores that are refused or dead."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fernas.core.errors import ConfigError
from fernas.core.io import append_jsonl
from fernas.tracking.follow import check_uri, follow, sync
from tests.fixtures.mlflow_stores import runs, set_running


def test_a_dead_server_warns_and_nothing_else(results: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report = sync(results, "http://127.0.0.1:9", attempts=1)
    assert report.error and "not reachable" in caplog.text
    (results / "stop").touch()
    assert follow(results, "http://127.0.0.1:9", stop_file=results / "stop", interval_s=0.1).error


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_a_file_store_is_refused_in_words(results: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match="file store.*sqlite:///"):
        sync(results, uri)


def test_an_unknown_scheme_is_refused(results: Path) -> None:
    with pytest.raises(ConfigError, match="unknown scheme"):
        check_uri("ftp://x")


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("nan"), float("inf")])
def test_an_interval_that_is_no_time_is_refused(results: Path, seconds: float) -> None:
    (results / "stop").touch()  # so that a follow that is not refused ends
    with pytest.raises(ConfigError, match="every: .*expected a number of seconds above 0"):
        follow(results, stop_file=results / "stop", interval_s=seconds)


def test_follow_shows_curves_while_files_grow(results: Path) -> None:
    folder = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/g1"
    path = "ckplus-7n-rendered/kfold4/emonas/per_group/s0/g1"
    (folder / "metrics.jsonl").unlink()
    set_running(folder, host="elsewhere", heartbeat=time.time())
    append_jsonl(folder / "metrics.jsonl", {"step": 0, "time": 1.0, "train_loss": 2.0})
    stop = results / "stop"
    thread = threading.Thread(target=follow, args=(results,), kwargs={"stop_file": stop, "interval_s": 0.1})
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
