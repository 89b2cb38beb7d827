"""The Snakemake that started a job: when it is gone nobody takes the job's results, and a new one may come."""

import os
from pathlib import Path

from fernas.core import interrupt


def watch_snakemake() -> None:
    """End this job, its state saved, when the Snakemake above it is gone. Without /proc nothing is watched."""
    number = _snakemake_above()
    if number is not None:
        start = _started(number)
        interrupt.watch(lambda: _started(number) == start, "the Snakemake that started this job is gone")


def _snakemake_above() -> int | None:
    """The process number of the Snakemake that started this one, if one did."""
    number = os.getppid()
    for _ in range(3):  # a shell stands between
        words = _read(number, "cmdline").split("\0")
        is_python = "python" in Path(words[0]).name
        if is_python and any(word.endswith(("snakemake", "snakemake/__main__.py")) for word in words):
            return number
        number = int(_stat(number, 1) or 0)
    return None


def _started(number: int) -> str:
    """When a process started, in ticks since the machine did; empty where there is none."""
    return _stat(number, 19) if _stat(number, 0) != "Z" else ""


def _stat(number: int, field: int) -> str:
    """A field of /proc/N/stat behind the name in brackets: 0 state, 1 parent, 19 start time."""
    words = _read(number, "stat").rpartition(")")[2].split()
    return words[field] if len(words) > field else ""


def _read(number: int, name: str) -> str:
    try:
        return Path(f"/proc/{number}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
