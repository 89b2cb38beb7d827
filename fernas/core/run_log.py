"""What a job writes for tracking: metrics.jsonl and status.json; a mirror reads them, jobs never import mlflow."""

import os
import socket
import time
from pathlib import Path
from typing import Any

from fernas.core.io import append_jsonl, read_json, write_json

HEARTBEAT_S = 10.0
STATUSES = ("running", "ok", "failed", "skipped", "killed")


class RunLog:
    """The tracking files of one job in `folder`."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.info: dict[str, Any] = {}
        self._beat = -HEARTBEAT_S

    def start(self, info: dict[str, Any] | None = None) -> None:
        """Mark the job as running; `info` (parameters, run key) is part of the status."""
        now = time.time()
        self.info = {"started": now, "pid": os.getpid(), "host": socket.gethostname(), **(info or {})}
        self._write("running", "", now)

    def metric(self, step: int, **values: float | str) -> None:
        """Append one row of metrics for `step` (an epoch, from 0) and refresh the heartbeat when it is due.

        Texts (`phase`) say what the row's numbers belong to.
        """
        append_jsonl(self.folder / "metrics.jsonl", {"step": step, "time": time.time(), **values})
        self.heartbeat()

    def heartbeat(self) -> None:
        """Refresh the heartbeat, at most every ten seconds (by a clock that nobody sets)."""
        if time.monotonic() - self._beat >= HEARTBEAT_S:
            self._write("running", "", time.time())

    def finish(self, status: str, reason: str = "", **extra: Any) -> None:
        """Write the final status: ok, failed, skipped or killed, with its reason."""
        if status not in STATUSES:
            raise ValueError(f"status must be one of {STATUSES}, got {status!r}")
        self.info.update(extra)
        self.info["ended"] = time.time()
        self._write(status, reason, time.time())

    def _write(self, status: str, reason: str, now: float) -> None:
        self._beat = time.monotonic()
        write_json(self.folder / "status.json", {**self.info, "status": status, "reason": reason, "heartbeat": now})


def read_status(folder: Path | str) -> dict[str, Any]:
    """The status.json of a job, or `{"status": "absent"}`."""
    path = Path(folder) / "status.json"
    return read_json(path) if path.exists() else {"status": "absent", "reason": ""}


def process_is_alive(pid: int) -> bool:
    """Whether a process of this host exists."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
