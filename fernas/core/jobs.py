"""How a workflow script runs: log file, thread limits, typed arguments, one line for an error."""

import errno
import hashlib
import inspect
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fernas.core import interrupt, lease, log
from fernas.core.errors import FernasError
from fernas.core.io import sha256_file

logger = logging.getLogger(__name__)
NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not grow that large",
    errno.EROFS: "the file system is read-only",
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def run_rule(job: Any, main: Callable[..., None]) -> None:
    """Call `main` with a Snakemake job's named inputs, outputs and params.

    Limits the threads of numerical libraries to the job's (before they are imported), sends logging to the job's log
    turns a FernasError into its one message and exit status 2, and a signal, after which the job has saved its state,
    into 128 + its number. A job that asks for a GPU holds a lease of one (see `fernas.core.lease`).
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(job.threads)
    log.to_file(str(job.log[0]))
    interrupt.watch_snakemake()
    arguments = {**dict(job.input.items()), **dict(job.output.items()), **dict(job.params.items())}
    arguments.pop("code", None)
    if "threads" in inspect.signature(main).parameters:
        arguments["threads"] = job.threads
    try:
        with lease.for_job(dict(job.resources.items()), arguments):
            main(**arguments)
    except interrupt.Interrupted as stop:
        logger.warning("%s", stop)
        raise SystemExit(stop.status) from stop
    except FernasError as error:
        logger.error("%s", error)
        raise SystemExit(2) from error
    except Exception as error:  # noqa: BLE001 - only those are kept that say that there is no room
        number = no_room(error)
        if number is None:
            raise
        logger.error("%s: %s; what is finished is kept: make room and run again", NO_ROOM[number], error)
        raise SystemExit(2) from error


def no_room(error: BaseException) -> int | None:
    """The error number when an error says that nothing can be written; libraries say it in words of their own."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return error.errno
    text = str(error)
    if isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", text):  # numpy
        return errno.ENOSPC
    match = re.search(r"(?:os error|errno) (\d+)", text, re.IGNORECASE)  # safetensors, Arrow
    return int(match[1]) if match and int(match[1]) in NO_ROOM else None


def input_digests(paths: dict[str, str]) -> dict[str, str]:
    """Name -> content digest of the inputs of a job, for its run key."""
    return {name: sha256_file(path) for name, path in sorted(paths.items())}


def combine_digests(paths: list[str]) -> str:
    """One digest over several files in the given order."""
    return hashlib.sha256("".join(sha256_file(path) for path in paths).encode()).hexdigest()


def write_skipped(reason: str, outputs: list[Path]) -> None:
    """Empty outputs for a job whose input failed as science can fail; the reason travels in its status."""
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    logger.warning("not run: %s", reason)
