"""Logging of jobs: one file per job, warnings and uncaught exceptions included."""

import logging
import sys
from pathlib import Path
from types import TracebackType

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def to_file(path: Path | str) -> None:
    """Send logging, stdout and stderr of this process to `path`; uncaught exceptions are written there too."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    stream = open(target, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - lives as long as the process
    logging.basicConfig(level=logging.INFO, format=FORMAT, stream=stream, force=True)
    logging.captureWarnings(True)
    # some libraries print instead of logging
    sys.stdout = sys.stderr = stream
    sys.excepthook = _log_uncaught


def to_stderr(verbose: bool = False) -> None:
    """Logging of the command line: warnings, or everything with `verbose`, on stderr."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("fernas").critical("uncaught exception", exc_info=(kind, error, trace))
    print(f"{kind.__name__}: {error}", file=sys.__stderr__)  # noqa: T201 - the last word of a failing job
