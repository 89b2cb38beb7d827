"""Signals of schedulers: a job that is asked to end saves its state, ends with a non-zero status, and is continued."""

import contextlib
import logging
import signal
from collections.abc import Iterator
from types import FrameType

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # preemption or time limit, a warning before it, Ctrl-C


class Interrupted(BaseException):
    """A signal asked this job to end, and its state is saved; no Exception, so that nobody takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name} with its state saved; the next start continues it")
        self.status = 128 + number


_received: list[int] = []


def requested() -> bool:
    """Whether a signal has asked this job to end."""
    return bool(_received)


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
