"""Progress: a bar on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)
LINE_EVERY_S = 10.0


def progress(items: Iterable[T], total: int | None = None, desc: str = "") -> Iterator[T]:
    """Iterate over `items`: a tqdm bar when stderr is a terminal, else a log line each ten seconds and at the end."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=desc)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            logger.info("%s: %d of %s after %.0f s", desc, done, total if total is not None else "?", now - start)
            last = now
    if time.monotonic() - start >= LINE_EVERY_S:
        logger.info("%s: %d done in %.0f s", desc, done, time.monotonic() - start)
