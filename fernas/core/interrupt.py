"""Signals of schedulers: a job that is asked to end saves its state, ends with a non-zero status, and is continued."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # preemption or time limit, a warning before it, Ctrl-C


class Interrupted(BaseException):
    """A signal asked this job to end, and its state is saved; no Exception, so that nobody takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name} with its state saved; the next start continues it")
        self.status = 128 + number


_received: list[int] = []
_watched: list[tuple[int, str]] = []  # process number and start time of the Snakemake that started this job
_looked = [0.0]
LOOK_EVERY_S = 1.0


def requested() -> bool:
    """Whether a signal has asked this job to end, or the Snakemake that started it is gone (as if by SIGHUP)."""
    if _watched and not _received and time.monotonic() - _looked[0] >= LOOK_EVERY_S:
        _looked[0] = time.monotonic()
        if _started(_watched[0][0]) != _watched[0][1]:
            logger.warning("the Snakemake that started this job is gone: saving and ending")
            _received.append(signal.SIGHUP)
    return bool(_received)


def watch_snakemake() -> None:
    """Remember the Snakemake above this process; when it is gone nobody takes the results, and a new one may come.

    Without /proc nothing is watched.
    """
    number = os.getppid()
    for _ in range(3):  # a shell stands between
        words = _read(number, "cmdline").split("\0")
        if "python" in Path(words[0]).name and any(
            word.endswith(("snakemake", "snakemake/__main__.py")) for word in words
        ):
            _watched[:] = [(number, _started(number))]
            return
        number = int(_stat(number, 1) or 0)


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


def check() -> None:
    """Raise Interrupted when a signal has come; for places where everything is saved."""
    if _received:
        raise Interrupted(_received[0])


@contextlib.contextmanager
def graceful() -> Iterator[None]:
    """Collect the signals while a job runs that saves its state; a second Ctrl-C ends it at once.

    Outside of the main thread signals cannot be caught, and nothing changes.
    """
    before = {}
    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, _note)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        _received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and number in _received:
        raise KeyboardInterrupt
    _received.append(number)
    logger.warning("%s: saving and ending at the next step", signal.Signals(number).name)
