"""The lock and the queued jobs of a Snakemake that is gone; broken checkpoints; a full disk in words."""

import errno
import os
import random
import subprocess
import sys
import types

import pytest
import torch

from fernas.core import jobs, left_over
from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import write_json
from fernas.core.run_log import RunLog


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a lock, and the record of its owner, a process that has ended."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").touch()
    own(tmp_path, ended())
    return tmp_path


def ended() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def own(place, pid, **changes):
    import socket

    record = {"pid": pid, "host": socket.gethostname(), "folder": str(place), **changes}
    write_json(place / "results" / left_over.OWNER, record)


def locks(folder):
    return list((folder / ".snakemake" / "locks").iterdir())


def test_the_lock_of_a_dead_owner_is_cleared_with_a_line(folder, capsys):
    left_over.clear_stale_lock("results")
    assert locks(folder) == [] and "cleared the lock" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"folder": "/elsewhere"}])
def test_the_lock_of_somebody_else_stays(folder, changes):
    own(folder, ended(), **changes)
    left_over.clear_stale_lock("results")
    assert len(locks(folder)) == 1


def test_the_lock_of_a_living_snakemake_stays_and_that_of_a_reused_number_goes(folder):
    code = "import time; print('up', flush=True); time.sleep(60)"
    for words, left in ((["snakemake"], 1), ([], 0)):
        process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
        try:
            process.stdout.readline()
            own(folder, process.pid)
            left_over.clear_stale_lock("results")
            assert len(locks(folder)) == left
        finally:
            process.kill()
            process.wait()


def test_a_record_that_cannot_be_read_clears_nothing(folder):
    (folder / "results" / left_over.OWNER).write_text("{")
    left_over.clear_stale_lock("results")
    assert len(locks(folder)) == 1


def test_results_from_the_future_are_dated_now(folder, capsys):
    import time

    now = time.time()
    for name, ahead in {"runs/a/scores.json": 86400, "tasks/b/inputs.npy": -50, "rendered/c/truth.json": 3600}.items():
        path = folder / "results" / name
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (now + ahead, now + ahead))
    assert left_over.date_future_files("results") == 2
    dates = {path.name: path.stat().st_mtime for path in (folder / "results").rglob("*") if path.is_file()}
    assert dates["scores.json"] == dates["truth.json"] <= time.time() and dates["inputs.npy"] < now
    assert "2 results were dated in the future" in capsys.readouterr().err
    assert left_over.date_future_files("results") == 0


def test_only_the_queued_jobs_of_this_folder_are_cancelled(folder, monkeypatch, capsys):
    """squeue lists jobs of this folder by rules, another folder's, and one that nobody of ours has named."""
    listing = folder / "queue"
    listing.write_text(f"7|{folder}|rule_search_wildcards_x\n8|/elsewhere|rule_train\n9|{folder}|mine\n10|{folder}|\n")
    tools = folder / "bin"
    tools.mkdir()
    (tools / "squeue").write_text(f"#!/bin/sh\ncat {listing}\n")
    (tools / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {folder}/cancelled\nsed -i /^7/d {listing}\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert left_over.cancel_slurm_jobs() == ["7"]
    assert (folder / "cancelled").read_text() == "7\n"
    assert "cancelled 1 Slurm jobs" in capsys.readouterr().err
    assert left_over.cancel_slurm_jobs() == []


def test_without_slurm_nothing_is_cancelled(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert left_over.cancel_slurm_jobs() == []


def test_every_cut_or_changed_checkpoint_is_treated_as_absent(tmp_path, caplog):
    """300 checkpoints cut or with one byte changed anywhere: never an error, never a wrong number."""
    store = CheckpointStore(tmp_path, "key")
    state = {"net": {"w": torch.arange(600.0)}, "epoch": 3, "rows": [{"loss": 0.5}]}
    store.save(state)
    whole = store.path.read_bytes()
    chance = random.Random(1)
    for number in range(300):
        data = bytearray(whole)
        if number % 3 == 0:
            data = data[: chance.randrange(len(data))]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        store.path.write_bytes(data)
        assert store.load() is None
    assert "starting from the beginning" in caplog.text
    store.path.write_bytes(whole)
    loaded = store.load()
    assert loaded is not None and torch.equal(loaded["net"]["w"], state["net"]["w"]) and loaded["epoch"] == 3


def test_a_save_that_fails_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path, "key")
    store.save({"epoch": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store.save({"epoch": 2})
    monkeypatch.undo()
    assert store.load() == {"epoch": 1}
    assert [path.name for path in store.folder.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_no_room_is_one_line_and_status_2(tmp_path, number):
    code = f"""
import types
from fernas.core import jobs
items = types.SimpleNamespace(items=lambda: [])
def main():
    raise OSError({number}, "as the system says", "results/x")
jobs.run_rule(types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, output=items,
    params=items, resources=items), main)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=os.getcwd(), env={**os.environ})
    assert done.returncode == 2
    text = (tmp_path / "log").read_text()
    assert len(text.splitlines()) == 1 and jobs.NO_ROOM[number] in text and "results/x" in text


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (OSError("4096 requested and 512 written"), errno.ENOSPC),
        (RuntimeError("Error while serializing: I/O error: File too large (os error 27)"), errno.EFBIG),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), errno.ENOSPC),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (RuntimeError("CUDA error 28"), None),
        (ValueError("os error 2"), None),
    ],
)
def test_who_says_that_there_is_no_room(error, number):
    assert jobs.no_room(error) == number


def test_heartbeats_go_on_when_the_clock_is_set_back(tmp_path, monkeypatch):
    from fernas.core import run_log

    clock = types.SimpleNamespace(wall=1000.0, steady=50.0)
    monkeypatch.setattr(run_log, "time", types.SimpleNamespace(time=lambda: clock.wall, monotonic=lambda: clock.steady))
    log = RunLog(tmp_path)
    log.start()
    for _ in range(5):
        clock.steady += run_log.HEARTBEAT_S
        clock.wall -= 3600.0
        log.heartbeat()
    assert run_log.read_status(tmp_path)["heartbeat"] == clock.wall


def test_a_heartbeat_from_the_future_does_not_make_a_dead_job_run():
    from fernas.tracking.run_files import job_state

    assert job_state({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 + 3600}, now=1000.0) == "KILLED"
    assert job_state({"status": "running", "host": "elsewhere", "heartbeat": 1000.0 + 100}, now=1000.0) == "RUNNING"
