"""Signals of schedulers: a job that is asked to end saves its state, ends with a non-zero status, and is continued."""

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # preemption or time limit, a warning before it, Ctrl-C


class Interrupted(BaseException):
    """A signal asked this job to end, and its state is saved; no Exception, so that nobody takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name} with its state saved; the next start continues it")
        # the shell's convention for an end by a signal
        self.status = 128 + number


_received: list[int] = []
_watched: list[tuple[Callable[[], bool], str]] = []
_asked = [0.0]  # when the watched conditions were last asked, monotonic seconds
ASK_EVERY_S = 1.0


def watch(holds: Callable[[], bool], message: str) -> None:
    """End this job as if by SIGHUP when a condition no longer holds, for example that its parent lives.

    Args:
        holds: asked at most once a second, by `requested`.
        message: what has happened when it does not hold; goes into the log.
    """
    _watched.append((holds, message))


def requested() -> bool:
    """Whether this job is asked to end: by a signal, or because a watched condition no longer holds."""
    if _watched and not _received and time.monotonic() - _asked[0] >= ASK_EVERY_S:
        _asked[0] = time.monotonic()
        for holds, message in _watched:
            if not holds():
                logger.warning("%s: saving and ending", message)
                _received.append(signal.SIGHUP)
                break
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
        # for the next job of this process
        _received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    # somebody at a terminal does not want to wait for the next step
    if number == signal.SIGINT and number in _received:
        raise KeyboardInterrupt
    _received.append(number)
    logger.warning("%s: saving and ending at the next step", signal.Signals(number).name)
