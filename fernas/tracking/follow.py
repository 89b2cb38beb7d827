"""Mirror a results folder into a store: once (`sync`), or while its study runs (`follow`)."""

import contextlib
import logging
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from fernas.core.errors import ConfigError
from fernas.core.run_log import process_is_alive
from fernas.study.layout import ResultsLayout
from fernas.tracking.mirror import Mirror, Report

logger = logging.getLogger(__name__)

STORES = ("sqlite://", "http://", "https://", "postgresql", "mysql", "mssql")
LONGEST_PAUSE_S = 60.0


def default_uri(results: Path | str) -> str:
    """The store beside the results."""
    return f"sqlite:///{ResultsLayout(Path(results)).mlflow}"


def check_uri(uri: str) -> str:
    """The uri itself; a ConfigError for a file store, which MLflow has retired, or an unknown scheme."""
    if uri.startswith(STORES):
        return uri
    if uri.startswith("file:") or "://" not in uri:
        raise ConfigError(
            f"tracking uri: {uri!r} is a file store, which MLflow no longer writes; "
            "expected sqlite:///results/mlflow.db or http://host:port"
        )
    raise ConfigError(
        f"tracking uri: unknown scheme in {uri!r}; expected sqlite:///results/mlflow.db or http://host:port"
    )


def sync(results: Path | str, uri: str | None = None, attempts: int = 3, final: bool = False) -> Report:
    """Replay everything under `results/runs` into a store; doing it twice changes nothing.

    Args:
        results: the results folder.
        uri: the store, by default `sqlite:///<results>/mlflow.db`.
        attempts: tries before a dead store is reported, with a warning and in `Report.error`, never by an exception.
        final: the study is over, so that whatever still says running was killed.

    Raises:
        ConfigError: the uri is a file store or of an unknown scheme.
    """
    mirror = Mirror(Path(results), check_uri(default_uri(results) if uri is None else uri))
    report = Report()
    for attempt in range(attempts):
        report = mirror.pass_once(final=final)
        if not report.error:
            return report
        if attempt + 1 < attempts:
            time.sleep(min(2.0, 0.5 * 2**attempt))
    logger.warning("tracking: %s is not reachable (%s); results are complete without it", mirror.uri, report.error)
    return report


def follow(
    results: Path | str,
    uri: str | None = None,
    stop_file: Path | str | None = None,
    parent_pid: int | None = None,
    interval_s: float = 5.0,
) -> Report:
    """Mirror what is new every `interval_s` seconds until a stop file, the end of the parent process or SIGTERM.

    The last pass leaves no run in state RUNNING. A dead store costs one warning, and is tried again after pauses that
    double up to a minute.

    Raises:
        ConfigError: the uri is a file store or of an unknown scheme, or the interval is no number of seconds above 0.
    """
    if not (math.isfinite(interval_s) and interval_s > 0):
        raise ConfigError(f"every: {interval_s}, expected a number of seconds above 0")
    stop = Path(stop_file) if stop_file is not None else ResultsLayout(Path(results)).work.stop
    mirror = Mirror(Path(results), check_uri(default_uri(results) if uri is None else uri))
    with _collect_sigterm() as signals:

        def is_over() -> bool:
            parent_is_gone = parent_pid is not None and not process_is_alive(parent_pid)
            return bool(signals) or stop.exists() or parent_is_gone

        pause_s, has_warned = interval_s, False
        while True:
            final = is_over()  # asked before the pass, so that the last pass sees the last files
            report = mirror.pass_once(final=final, live=not final)
            if report.error and not has_warned:
                logger.warning("tracking: %s is not reachable (%s); trying again", mirror.uri, report.error)
            has_warned = bool(report.error)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2) if report.error else interval_s
            if final:
                return report
            end = time.monotonic() + pause_s
            while time.monotonic() < end and not is_over():
                # short steps, so that the end of the study is seen soon
                time.sleep(min(0.2, pause_s))


@contextlib.contextmanager
def _collect_sigterm() -> Iterator[list[int]]:
    """Collect SIGTERM in a list instead of dying of it (in the main thread; elsewhere signals cannot be caught)."""
    signals: list[int] = []
    try:
        before = signal.signal(signal.SIGTERM, lambda number, _frame: signals.append(number))
    except ValueError:
        yield signals
        return
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)
