"""The lease of a GPU, with pretended devices."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fernas.workflow import lease

LISTING = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-0)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb-1)
"""
SLICED = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-0)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb-1)
"""
HOLD = """
import sys, time
from pathlib import Path
from fernas.workflow import lease
with lease.gpu(Path(sys.argv[1])) as device:
    import os
    print(device, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists two devices; no scheduler has chosen one."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(lease.VISIBLE, raising=False)
    return tmp_path


def hold(folder: Path, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip


def test_listings():
    assert lease._parse(LISTING) == ["GPU-aaaa-0", "GPU-bbbb-1"]
    assert lease._parse(SLICED) == ["MIG-1111", "MIG-2222", "GPU-bbbb-1"]
    assert lease._parse("No devices found.\n") == []


def test_two_jobs_get_one_device_each_and_a_killed_one_holds_nothing(two_gpus):
    first, second = hold(two_gpus, 60), hold(two_gpus, 60)
    try:
        said = {job.stdout.readline() for job in (first, second)}
        assert said == {"GPU-aaaa-0 GPU-aaaa-0\n", "GPU-bbbb-1 GPU-bbbb-1\n"}
        third = hold(two_gpus, 0)
        time.sleep(0.5)
        assert third.poll() is None, "a third job waits"
        first.send_signal(signal.SIGKILL)
        assert third.stdout.readline().split()[0] in ("GPU-aaaa-0", "GPU-bbbb-1")
        assert third.wait(30) == 0
    finally:
        for job in (first, second):
            job.kill()
            job.wait()


def test_what_the_scheduler_has_set_is_respected(two_gpus, monkeypatch):
    for value in ("3", ""):
        monkeypatch.setenv(lease.VISIBLE, value)
        with lease.gpu(two_gpus) as device:
            assert device is None and os.environ[lease.VISIBLE] == value


def test_the_choice_ends_with_the_lease_and_is_free_again(two_gpus):
    for _ in range(2):
        with lease.gpu(two_gpus) as device:
            assert device == "GPU-aaaa-0" == os.environ[lease.VISIBLE]
        assert lease.VISIBLE not in os.environ


def test_threads_of_one_process_share_nothing(two_gpus):
    """flock belongs to an open file, so even within one process nobody gets a device twice."""
    taken, done = [], threading.Event()

    def other():
        stack = lease.contextlib.ExitStack()
        with stack:
            taken.append(lease._wait(lease.devices(), two_gpus, stack))
            done.wait(10)

    with lease.gpu(two_gpus) as mine:
        thread = threading.Thread(target=other)
        thread.start()
        end = time.monotonic() + 10
        while not taken and time.monotonic() < end:
            time.sleep(0.01)
        done.set()
        thread.join()
    assert {mine, *taken} == {"GPU-aaaa-0", "GPU-bbbb-1"}


@pytest.mark.parametrize(
    ("resources", "device", "leased"),
    [({"gpu": 1}, "cuda", True), ({}, "auto", True), ({"gpu": 0}, "cpu", False), ({}, None, False)],
)
def test_which_jobs_lease(two_gpus, monkeypatch, resources, device, leased):
    monkeypatch.setattr(lease, "lock_folder", lambda: two_gpus)
    arguments = {} if device is None else {"run": {"device": device}}
    with lease.for_job(resources, arguments) as found:
        assert (found is not None) == leased


def test_a_machine_without_devices_leases_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(lease.VISIBLE, raising=False)
    with lease.gpu(tmp_path) as device:
        assert device is None


def test_the_folder_of_locks_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr(lease.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = lease.lock_folder()
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(lease.ConfigError, match="remove it"):
        lease.lock_folder()
