"""States of jobs, points of metrics and parameters, from files."""

from pathlib import Path
from typing import Any

import pytest

from fernas.study.layout import ResultsLayout
from fernas.tracking.run_files import job_state, mirrored_runs, params_of, parent_state, points_of_row
from fernas.tracking.store import Point


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
def test_states_of_jobs(status: dict[str, Any], state: str) -> None:
    assert job_state(status, now=1000.0) == state
    assert job_state(status, final=True) in ("FINISHED", "FAILED", "KILLED")


@pytest.mark.parametrize(
    ("states", "scored", "live", "state"),
    [
        (["FINISHED", "RUNNING", "FAILED"], False, False, "RUNNING"),
        (["FINISHED", "KILLED", "FAILED"], False, True, "FAILED"),
        (["FINISHED", "KILLED"], True, False, "KILLED"),
        (["FINISHED", "KILLED"], True, True, "FINISHED"),
        (["FINISHED"], False, True, "RUNNING"),
        (["FINISHED"], False, False, "KILLED"),
    ],
)
def test_states_of_parents(states: list[str], scored: bool, live: bool, state: str) -> None:
    assert parent_state(states, scored, live) == state


def test_a_row_of_a_fold_is_a_curve_over_its_epochs() -> None:
    row = {"step": 7, "time": 1.5, "fold": 2.0, "epoch": 3.0, "phase": "fine tune", "loss": 0.25, "note": "x"}
    assert points_of_row(row) == [Point("fold2/fine tune/loss", 0.25, 1500, 3)]
    assert points_of_row({"step": 7, "time": 1.5, "../loss?": 0.5}) == [Point("loss_", 0.5, 1500, 7)]


def test_parameters_are_flat_and_leave_out_what_is_no_parameter() -> None:
    status = {"status": "ok", "pid": 3, "method": {"name": "darts", "lr": 0.1, "aux": None}, "long": "x" * 900}
    assert params_of(status) == {"method.name": "darts", "method.lr": "0.1", "long": "x" * 500}


def test_a_parent_has_the_searches_and_trainings_of_its_own_search_seed(tmp_path: Path) -> None:
    run = ResultsLayout(tmp_path).run("t", "p", "m", "per_group").path
    for folder in ("s0/g0", "s0/t0/shard0", "s1/g0", "s1/t0/shard0"):
        (run / folder).mkdir(parents=True)
    parents = list(mirrored_runs(ResultsLayout(tmp_path)))
    assert [parent.facts["search_seed"] for parent in parents] == ["0", "1"]
    for number, parent in enumerate(parents):
        assert parent.trainings == {0: run / f"s{number}" / "t0"}
        assert [child.folder for child in parent.children] == [run / f"s{number}/g0", run / f"s{number}/t0/shard0"]
