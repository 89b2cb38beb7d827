"""What happens when the workflow starts and when it ends."""

import atexit
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fernas.study import Study
from fernas.workflow import mirror, stale


def started(study: Study) -> None:
    """End what a killed Snakemake has left in a queue, record who owns the working folder, start the mirror."""
    # the queue names the folder of a job and not its study
    if (stale.owner_of(study.layout) or {}).get("after_kill") and not stale.others_run(study.layout):
        stale.cancel_slurm_jobs()
    # the record may have been that of another host; after a kill the next start must clear the queue until now
    stale.own(study.layout)
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
