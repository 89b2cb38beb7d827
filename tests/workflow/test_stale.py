"""The lock and the queued jobs of a Snakemake that is gone; results from the future."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fernas.core.errors import ContractError
from fernas.core.io import write_json
from fernas.study import ResultsLayout
from fernas.workflow import stale

RESULTS = ResultsLayout(Path("results"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a lock, and the record of its owner, a process that has ended."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").write_text("results/comparison.csv\n")
    own(tmp_path, ended())
    return tmp_path


def ended() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def own(place, pid, **changes):
    record = {"pid": pid, "host": socket.gethostname(), "folder": str(place), **changes}
    write_json(place / RESULTS.work.owner, record)


def locks(folder):
    return sorted((folder / ".snakemake" / "locks").iterdir())


def test_the_lock_of_a_dead_owner_is_cleared_with_a_line(folder, capsys):
    stale.take_over(RESULTS)
    assert locks(folder) == [] and "cleared the lock" in capsys.readouterr().err
    assert stale.owner_of(RESULTS) == {
        "pid": os.getpid(), "host": socket.gethostname(), "folder": str(folder), "after_kill": True,
    }  # fmt: skip


def test_the_lock_of_another_study_in_the_folder_stays(folder):
    """Snakemake numbers the locks of all studies of a folder alike; each names the files that it protects."""
    other = folder / ".snakemake" / "locks" / "1.output.lock"
    other.write_text("results-of-another/comparison.csv\n")
    mixed = folder / ".snakemake" / "locks" / "2.input.lock"
    mixed.write_text("results/comparison.csv\nresults-b/comparison.csv\n")
    stale.take_over(RESULTS)
    assert locks(folder) == [other, mixed]
    assert stale.others_run(RESULTS)


def test_a_study_without_a_record_clears_nothing_and_is_recorded(folder):
    (folder / RESULTS.work.owner).unlink()
    stale.take_over(RESULTS)
    assert len(locks(folder)) == 1 and not stale.others_run(RESULTS)
    assert stale.owner_of(RESULTS)["after_kill"] is False
    stale._give_up(RESULTS)
    assert stale.owner_of(RESULTS) is None, "a start that came to nothing leaves no record"


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"folder": "/elsewhere"}])
def test_the_lock_of_somebody_else_stays(folder, changes):
    own(folder, ended(), **changes)
    stale.take_over(RESULTS)
    assert len(locks(folder)) == 1


def test_the_lock_of_a_living_snakemake_stays_and_that_of_a_reused_number_goes(folder):
    code = "import time; print('up', flush=True); time.sleep(60)"
    for words, left in ((["snakemake"], 1), ([], 0)):
        process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
        try:
            process.stdout.readline()
            own(folder, process.pid)
            if left:
                with pytest.raises(ContractError, match=f"process {process.pid}"):
                    stale.take_over(RESULTS)
            else:
                stale.take_over(RESULTS)
            assert len(locks(folder)) == left
        finally:
            process.kill()
            process.wait()


def test_a_record_that_cannot_be_read_clears_nothing(folder):
    (folder / RESULTS.work.owner).write_text("{")
    stale.take_over(RESULTS)
    assert len(locks(folder)) == 1


def test_results_from_the_future_are_dated_now(folder, capsys):
    import time

    now = time.time()
    for name, ahead in {"runs/a/scores.json": 86400, "tasks/b/inputs.npy": -50, "rendered/c/truth.json": 3600}.items():
        path = folder / "results" / name
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (now + ahead, now + ahead))
    assert stale.date_future_files(RESULTS) == 2
    dates = {path.name: path.stat().st_mtime for path in (folder / "results").rglob("*") if path.is_file()}
    assert dates["scores.json"] == dates["truth.json"] <= time.time() and dates["inputs.npy"] < now
    assert "2 results were dated in the future" in capsys.readouterr().err
    assert stale.date_future_files(RESULTS) == 0


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
    assert stale.cancel_slurm_jobs() == ["7"]
    assert (folder / "cancelled").read_text() == "7\n"
    assert "cancelled 1 Slurm jobs" in capsys.readouterr().err
    assert stale.cancel_slurm_jobs() == []


def test_without_slurm_nothing_is_cancelled(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert stale.cancel_slurm_jobs() == []
