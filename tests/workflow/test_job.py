"""What a script gets of its job, and how it ends."""

import errno
import logging
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from fernas.core import log
from fernas.workflow import job

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_no_room_is_one_line_and_status_2(tmp_path, number):
    code = f"""
import types
from fernas.workflow import job
items = types.SimpleNamespace(items=lambda: [])
def main():
    raise OSError({number}, "as the system says", "results/x")
job.run_rule(types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, output=items,
    params=items, resources=items), main)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, env={**os.environ})
    assert done.returncode == 2
    text = (tmp_path / "log").read_text()
    assert len(text.splitlines()) == 1 and job.NO_ROOM[number] in text and "results/x" in text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "results/x"), "no permission: .*results/x"),
        (MemoryError(), "out of memory: no more was given"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "out of memory"),
    ],
)
def test_no_permission_and_no_memory_are_one_line_and_status_2(tmp_path, monkeypatch, error, said):
    def main():
        raise error

    monkeypatch.setattr(log, "to_file", lambda path: logging.basicConfig(filename=path, force=True))
    items = types.SimpleNamespace(items=lambda: [])
    snakemake = types.SimpleNamespace(
        threads=1, log=[str(tmp_path / "log")], input=items, output=items, params=items, resources=items
    )
    with pytest.raises(SystemExit, match="^2$"):
        job.run_rule(snakemake, main)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 1 and re.search(said, lines[0])


def test_a_log_on_a_full_disk_is_one_line_on_stderr_and_status_2():
    """/dev/full opens, and takes nothing; the log of a job lies on the disk that is full."""
    code = """
import types
from fernas.workflow import job
items = types.SimpleNamespace(items=lambda: [])
def main():
    print("a library prints")
    raise OSError(28, "No space left on device", "results/x")
job.run_rule(types.SimpleNamespace(threads=1, log=["/dev/full"], input=items, output=items, params=items,
    resources=items), main)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "the disk is full" in done.stderr


def test_a_log_of_another_user_is_one_line():
    code = """
import types
from fernas.core import log
from fernas.workflow import job
def closed(path):
    raise PermissionError(13, "Permission denied", path)
log.to_file = closed
job.run_rule(types.SimpleNamespace(threads=1, log=["logs/x.log"]), print)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "logs/x.log" in done.stderr


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
    assert job.no_room(error) == number


def test_a_scripts_exit_status_is_that_of_the_signal(tmp_path):
    """The wrapper of all workflow scripts: Interrupted becomes 128 + number, which Snakemake takes as failed."""
    code = f"""
import types
from fernas.core import interrupt
from fernas.workflow import job
items = types.SimpleNamespace(items=lambda: [])
def main():
    raise interrupt.Interrupted(15)
job.run_rule(types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, output=items,
    params=items, resources=items), main)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 143
    assert "SIGTERM" in (tmp_path / "log").read_text() and "Traceback" not in (tmp_path / "log").read_text()


class Names(list):
    """What Snakemake gives for the names of a group, and for an input of several files."""

    def __init__(self, *values, **named):
        super().__init__(values)
        self.named = named

    def items(self):
        return self.named.items()


@pytest.fixture
def snakemake(tmp_path):
    """A job of a rule `search` with an input of one file and one of two."""
    for name in "abc":
        (tmp_path / name).write_text(name)
    return types.SimpleNamespace(
        rule="search",
        threads=3,
        input=Names(table=str(tmp_path / "a"), source=Names(str(tmp_path / "b"), str(tmp_path / "c"))),
        output=Names(cost="out/cost.json"),
        params=Names(code="1234", seed=7, options={"epochs": 2}, run={"device": "cpu", "every_s": 60.0, "work": "w"}),
        wildcards=Names(task="toy"),
    )


def test_a_script_gets_what_it_asks_for_by_name(snakemake, tmp_path):
    def main(source, cost, seed, threads):
        raise AssertionError

    files = [str(tmp_path / "b"), str(tmp_path / "c")]
    expected = {"source": files, "cost": "out/cost.json", "seed": 7, "threads": 3}
    assert job.arguments_for(snakemake, main) == expected


def test_a_script_gets_groups_and_never_the_code(snakemake, tmp_path):
    def main(input, output, params, wildcards, code=None):
        raise AssertionError

    given = job.arguments_for(snakemake, main)
    assert "code" not in given and not hasattr(given["params"], "code")
    assert (given["input"].table, given["output"].cost) == (str(tmp_path / "a"), "out/cost.json")
    assert (given["params"].options, given["wildcards"].task) == ({"epochs": 2}, "toy")


def test_the_run_key_depends_on_contents_options_wildcards_and_code_alone(snakemake, tmp_path):
    def main(job):
        raise AssertionError

    def key():
        return job.arguments_for(snakemake, main)["job"].run_key

    first = key()
    snakemake.threads, snakemake.params.named["run"] = 1, {"device": "cuda", "every_s": 1.0, "work": "w"}
    assert key() == first
    keys = {first}
    (tmp_path / "c").write_text("changed")
    keys.add(key())
    for group, name, value in (("params", "seed", 8), ("wildcards", "task", "other"), ("params", "code", "5678")):
        getattr(snakemake, group).named[name] = value
        keys.add(key())
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("private", "name", "mode"),
    [
        (True, {"data": "mine"}, 0o600),
        (True, {"task": "mine-3", "protocol": "x-rendered"}, 0o600),
        (True, {"data": "ckplus-rendered"}, 0o644),
        (False, {"task": "mine-3"}, 0o644),
    ],
)
def test_faces_and_ids_of_real_people_are_readable_by_their_owner_alone(tmp_path, private, name, mode):
    code = f"""
import os, types
from fernas.core.io import write_text
from fernas.workflow import job
os.umask(0o022)
items = types.SimpleNamespace(items=lambda: [])
names = types.SimpleNamespace(items={name!r}.items)
job.run_rule(types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, output=items, params=items,
    resources=items, wildcards=names), lambda: write_text({str(tmp_path / "out")!r}, "x"), private={private})
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert (tmp_path / "out").stat().st_mode & 0o777 == mode
    assert (tmp_path / "log").stat().st_mode & 0o777 == mode


def test_what_a_killed_job_left_beside_its_outputs_goes_with_its_next_start(tmp_path):
    outputs = {"models": str(tmp_path / "models.safetensors"), "root": str(tmp_path / "dataset")}
    begin = f"""
import os, tempfile, types
from fernas.core.io import atomic_path
from fernas.workflow import job
items = types.SimpleNamespace(items=lambda: [])
snakemake = types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, params=items,
    resources=items, output=types.SimpleNamespace(items={outputs!r}.items))
"""
    killed = (
        begin
        + f"""
def main(models, root):
    tempfile.mkdtemp(prefix=".dataset-", dir={str(tmp_path)!r})
    with atomic_path(models) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), 9)
job.run_rule(snakemake, main)
"""
    )
    assert subprocess.run([sys.executable, "-c", killed], cwd=ROOT, check=False).returncode == -9
    (tmp_path / ".models-of-mine.safetensors").write_text("mine")
    assert len(list(tmp_path.glob(".models-????????.safetensors"))) == len(list(tmp_path.glob(".dataset-*"))) == 1
    again = begin + "job.run_rule(snakemake, lambda models: open(models, 'w').write('whole'))"
    subprocess.run([sys.executable, "-c", again], cwd=ROOT, check=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".models-of-mine.safetensors", "log", "models.safetensors"]


def test_ctrl_c_before_a_job_saves_is_one_line_in_its_log(tmp_path):
    code = f"""
import os, signal, types
from fernas.workflow import job
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts processes in the background without one
items = types.SimpleNamespace(items=lambda: [])
job.run_rule(types.SimpleNamespace(threads=1, log=[{str(tmp_path / "log")!r}], input=items, output=items, params=items,
    resources=items), lambda: os.kill(os.getpid(), signal.SIGINT))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 130
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "ended by Ctrl-C" in line
