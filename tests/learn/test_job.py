"""A job's frame: its status, its files and its checkpoint, for each way in which it can end."""

import os
import signal

import pytest

from fernas.core.errors import ConfigError, ContractError, ScienceError
from fernas.core.io import append_jsonl, read_json, read_jsonl, write_text
from fernas.core.run_log import RunLog, read_status
from fernas.learn.history import Snapshots
from fernas.learn.job import JobKind, run_job
from tests.fixtures.toy_task import TaskFiles

KIND = JobKind("toy", "toy.jsonl", ("result.txt", "cost.json"))


@pytest.fixture
def job(tmp_path):
    return TaskFiles(tmp_path).job(tmp_path / "out", "key", 3, every_s=0.0, info={"study": "tests"})


def test_a_finished_job_has_its_status_and_no_checkpoint(job):
    def work(tools):
        assert read_status(job.out_dir)["status"] == "running"
        tools.checkpoint.save({"step": 1})
        append_jsonl(tools.history_path, {"step": 1})
        write_text(job.out_dir / "result.txt", "done")
        return {"folds": [0, 2]}

    assert run_job(KIND, job, {"method": "none"}, work) == "ok"
    status = read_json(job.out_dir / "status.json")
    assert {key: status[key] for key in ("run_key", "seed", "study", "method", "folds", "status")} == {
        "run_key": "key",
        "seed": 3,
        "study": "tests",
        "method": "none",
        "folds": [0, 2],
        "status": "ok",
    }
    assert read_jsonl(job.out_dir / "toy.jsonl") == [{"step": 1}]
    assert not (job.work_dir / "key").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ScienceError("loss is NaN"), "loss is NaN"),
        (ContractError("no samples"), "no samples"),
        (MemoryError("all of it"), "out of memory: all of it"),
        (RuntimeError("CUDA out of memory"), "out of memory: CUDA out of memory"),
    ],
)
def test_a_failure_of_science_leaves_its_reason_the_history_and_empty_outputs(job, error, reason):
    def work(tools):
        append_jsonl(tools.history_path, {"step": 1})
        write_text(job.out_dir / "result.txt", "half")
        raise error

    assert run_job(KIND, job, {}, work) == "failed"
    status = read_status(job.out_dir)
    assert (status["status"], status["reason"]) == ("failed", reason)
    assert [(job.out_dir / name).read_bytes() for name in KIND.outputs] == [b"", b""]
    assert read_jsonl(job.out_dir / "toy.jsonl") == [{"step": 1}]


@pytest.mark.parametrize("error", [ConfigError("a key"), OSError("disk"), RuntimeError("a fault of the code")])
def test_errors_of_configuration_disk_and_code_are_raised(job, error):
    def work(tools):
        raise error

    with pytest.raises(type(error), match=str(error)):
        run_job(KIND, job, {}, work)
    assert not (job.out_dir / "result.txt").exists()
    status = read_status(job.out_dir)
    assert (status["status"], status["reason"]) == ("killed", f"{type(error).__name__}: {error}")


def test_a_second_ctrl_c_while_data_are_loaded_leaves_no_running_job(job):
    def work(tools):
        os.kill(os.getpid(), signal.SIGINT)
        assert read_status(job.out_dir)["status"] == "running"
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_job(KIND, job, {}, work)
    assert read_status(job.out_dir)["status"] == "killed"


def test_ctrl_c_between_the_status_and_the_work_waits_for_the_first_save(job, monkeypatch):
    from fernas.core.interrupt import Interrupted

    start = RunLog.start

    def started(log, info):
        start(log, info)
        os.kill(os.getpid(), signal.SIGINT)

    def work(tools):
        Snapshots(tools.checkpoint).save({"step": 1})
        return {}

    monkeypatch.setattr(RunLog, "start", started)
    with pytest.raises(Interrupted, match="SIGINT"):
        run_job(KIND, job, {}, work)
    assert read_status(job.out_dir)["status"] == "killed"
    assert (job.work_dir / "key").exists()


def test_a_signal_ends_it_after_a_save_and_the_next_call_continues(job):
    from fernas.core.interrupt import Interrupted

    steps = []

    def work(tools):
        snapshots = Snapshots(tools.checkpoint)
        state = snapshots.load()
        for step in range(0 if state is None else state["step"], 3):
            steps.append(step)
            if len(steps) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            snapshots.save({"step": step + 1})
        return {}

    with pytest.raises(Interrupted):
        run_job(KIND, job, {}, work)
    assert read_status(job.out_dir)["status"] == "killed"
    assert run_job(KIND, job, {}, work) == "ok"
    assert steps == [0, 1, 2]
