"""What happens when the workflow starts and when it ends."""

import atexit
import logging
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from fernas.core.io import write_json
from fernas.study import Study
from fernas.workflow import mirror
from fernas.workflow.stale import cancel_slurm_jobs, dead_owner


def started(study: Study) -> None:
    """End what a killed Snakemake has left in a queue, record who owns the working folder, start the mirror."""
    if dead_owner(study.layout) is not None:
        cancel_slurm_jobs()
    # after the queue was cleared: until then the record names the owner that is gone
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "folder": str(Path.cwd())}
    write_json(study.layout.work.owner, owner)
    mirror.start(study)


def ended(study: Study, status: str, logs: Sequence[str] = ()) -> None:
    """Stop the mirror and say where the results are.

    Where jobs failed, and all of them for what the user can mend, Snakemake's exit status becomes 2 instead of 1.
    """
    if users_fault(logs):
        atexit.register(_leave, 2)
    mirror.stop(study, status)
    study.layout.work.owner.unlink(missing_ok=True)
    if status == "ok" and study.layout.comparison_markdown.exists():
        sys.stderr.write(f"tables: {study.layout.comparison}   report: {study.layout.report.index}   runs: make ui\n")


def users_fault(logs: Sequence[str]) -> bool:
    """Whether the jobs that failed in a run, by its logs, all ended with status 2: bad data or a bad config."""
    statuses: set[str] = set()
    for log in logs:
        try:
            text = Path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        statuses |= set(re.findall(r"returned non-zero exit status (\d+)", text))
    return statuses == {"2"}


def _leave(status: int) -> None:
    """End this process with a status whatever Snakemake made of it; everything else has been done by now."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
