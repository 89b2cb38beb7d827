"""The process that mirrors results into MLflow while the workflow runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fernas.core.io import write_text
from fernas.core.run_log import process_is_alive
from fernas.study import Study

WAIT_S = 60.0  # longest time that the mirror gets to finish


def start(study: Study) -> None:
    """Start the mirror, unless the config turns it off; it ends with this process, or when `stop` asks."""
    work, tracking = study.layout.work, study.config.tracking
    # a request that an earlier run left would end the new mirror at once
    work.stop.unlink(missing_ok=True)
    work.tracker.unlink(missing_ok=True)
    if not tracking.enabled:
        return
    log = study.layout.logs / "track.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fernas.cli", "track", "follow", "--results", str(study.results)]
    command += ["--every", str(tracking.every_s), "--parent", str(os.getpid())]
    if tracking.uri:
        command += ["--uri", tracking.uri]
    try:
        stream = open(log, "ab")  # noqa: SIM115  closed below
    except OSError as error:  # another user's
        sys.stderr.write(f"tracking: {log}: {error.strerror or error}; the study runs without it\n")
        return
    with stream:
        # a session of its own: Ctrl-C must not end the mirror before the last results are in
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    write_text(work.tracker, f"{process.pid}\n")


def stop(study: Study, status: str) -> None:
    """Ask the mirror to take what is new and to finish, and wait for it."""
    if study.config.tracking.enabled:
        write_text(study.layout.work.stop, f"{status}\n")
        _wait_for(study.layout.work.tracker)


def _wait_for(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if _has_ended(pid) or not process_is_alive(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGTERM)


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; collects it, so that it does not stay a zombie that looks alive."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
