import types

import pytest

from fernas.core import run_log
from fernas.core.io import read_jsonl
from fernas.core.run_log import RunLog, read_status


def test_run_log(tmp_path):
    log = RunLog(tmp_path / "job")
    log.start({"stage": "search"})
    assert read_status(tmp_path / "job")["status"] == "running"
    for step in range(2):
        log.metric(step, loss=1.0)
    assert [row["step"] for row in read_jsonl(tmp_path / "job" / "metrics.jsonl")] == [0, 1]
    log.finish("failed", "NaN")
    assert read_status(tmp_path / "job")["reason"] == "NaN"
    with pytest.raises(ValueError, match="status must be"):
        log.finish("done")


def test_heartbeats_go_on_when_the_clock_is_set_back(tmp_path, monkeypatch):
    clock = types.SimpleNamespace(wall=1000.0, steady=50.0)
    monkeypatch.setattr(run_log, "time", types.SimpleNamespace(time=lambda: clock.wall, monotonic=lambda: clock.steady))
    log = RunLog(tmp_path)
    log.start()
    for _ in range(5):
        clock.steady += run_log.HEARTBEAT_S
        clock.wall -= 3600.0
        log.heartbeat()
    assert run_log.read_status(tmp_path)["heartbeat"] == clock.wall
