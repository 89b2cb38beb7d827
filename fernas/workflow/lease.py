"""A GPU per job on one machine: a lease by lock file that chooses the device, unless the scheduler has chosen already.

Snakemake counts GPUs and gives no numbers, so that all jobs of a machine would land on the first one.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fernas.core.errors import ConfigError

logger = logging.getLogger(__name__)
VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_S = 1.0
WARN_EVERY_S = 60.0


def devices() -> list[str]:
    """The ids of this machine's NVIDIA devices (MIG slices where a GPU is cut); empty where there are none.

    Asks `nvidia-smi`, so that neither torch is imported nor a device touched.
    """
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return _parse(done.stdout) if done.returncode == 0 else []


def _parse(listing: str) -> list[str]:
    """Ids in the output of `nvidia-smi -L`; a GPU that is cut into MIG slices counts as its slices."""
    ids: list[str] = []
    for line in listing.splitlines():
        match = re.search(r"UUID: ((?:GPU|MIG)-[\w/-]+)", line)
        if match is None:
            continue
        # slices are listed below their GPU
        if match.group(1).startswith("MIG") and ids and ids[-1].startswith("GPU"):
            ids.pop()
        ids.append(match.group(1))
    return ids


def lock_folder() -> Path:
    """The folder of the lock files: on this machine, of this user, closed to others."""
    folder = Path(tempfile.gettempdir()) / f"fernas-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # the folder for temporary files is shared: another user may own this name, or may have put a link there
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise ConfigError(f"{folder}: expected a folder of this user for GPU leases; remove it")
    return folder


@contextlib.contextmanager
def for_job(resources: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[str | None]:
    """The lease of a workflow job: of one GPU when it asks for one or its config says `device: auto`, else none."""
    run = arguments.get("run")
    device = run.get("device") if isinstance(run, dict) else None
    wanted = bool(resources.get("gpu")) or device in ("cuda", "auto")
    if not wanted or device == "cpu":
        yield None
        return
    with gpu() as leased:
        yield leased


@contextlib.contextmanager
def gpu(folder: Path | None = None) -> Iterator[str | None]:
    """Hold one free device and make it the only visible one; waits while others hold all of them.

    What the scheduler has set (`CUDA_VISIBLE_DEVICES`, also the empty string) is left as it is. The lock goes with the
    process, so a killed job holds nothing. Yields the id of the device, or None where none was leased.
    """
    if VISIBLE in os.environ:
        logger.info("%s=%s was set by the scheduler", VISIBLE, os.environ[VISIBLE])
        yield None
        return
    known = devices()
    if not known:
        yield None
        return
    with contextlib.ExitStack() as stack:
        device = _wait(known, folder or lock_folder(), stack)
        os.environ[VISIBLE] = device
        logger.info("holds the GPU %s of %d", device, len(known))
        try:
            yield device
        finally:
            os.environ.pop(VISIBLE, None)


def _wait(known: list[str], folder: Path, stack: contextlib.ExitStack) -> str:
    # the first round without a free device warns at once
    warned = -WARN_EVERY_S
    while True:
        for device in known:
            if _lock(folder / f"{device.replace('/', '-')}.lock", stack):
                return device
        if time.monotonic() - warned >= WARN_EVERY_S:
            logger.warning("waiting for a free GPU: all %d are held by other jobs", len(known))
            warned = time.monotonic()
        time.sleep(WAIT_S)


def _lock(path: Path, stack: contextlib.ExitStack) -> bool:
    """Take the lock of a file when nobody has it; it is held until the stack closes or the process ends."""
    # no link is followed, and no child process inherits the lock
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    stack.callback(os.close, handle)
    # the number tells a user which job holds the device; the lock itself is what counts
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return True
