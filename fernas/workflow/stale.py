"""What a killed Snakemake leaves behind: its lock, and jobs in a Slurm queue that would run beside new ones."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fernas.core.errors import DataError
from fernas.core.io import read_json
from fernas.core.run_log import process_is_alive
from fernas.study import ResultsLayout

SKEW_S = 60.0
SAVING_S = 120.0  # longest time that cancelled jobs are waited for; they save their state first


def dead_owner(layout: ResultsLayout) -> dict[str, Any] | None:
    """The record of the Snakemake that last ran in this folder on this host, when its process is gone; else None."""
    if not layout.work.owner.exists():
        return None
    try:
        owner = read_json(layout.work.owner)
    except DataError:  # a record that cannot be read says nothing about its writer
        return None
    here = owner.get("host") == socket.gethostname() and owner.get("folder") == str(Path.cwd())
    return owner if here and not _is_snakemake(int(owner.get("pid", 0))) else None


def _is_snakemake(pid: int) -> bool:
    """Whether the process lives and is no other program that has been given its number since."""
    if pid <= 0:  # a record without a number says nothing about its writer, so its lock stays
        return True
    if not process_is_alive(pid):
        return False
    try:
        # a number is used again after a process ended, so the name must fit too
        return b"snakemake" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def clear_stale_lock(layout: ResultsLayout) -> None:
    """Remove the lock of a Snakemake that was killed: only when its recorded process is gone on this very host."""
    locks = Path(".snakemake/locks")
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    owner = dead_owner(layout)
    if owner is None:
        return
    for lock in locks.iterdir():
        lock.unlink(missing_ok=True)
    sys.stderr.write(f"cleared the lock of a Snakemake that is gone (process {owner['pid']})\n")


def date_future_files(layout: ResultsLayout) -> int:
    """Date results that lie in the future now: the clock was set back since, and Snakemake would refuse to go on.

    Less than `SKEW_S` is left alone, since clocks of file servers differ; files of the same date are not newer.
    """
    now, count = time.time(), 0
    for top in (layout.all_rendered, layout.all_data, layout.all_tasks, layout.all_runs):
        for folder, folders, names in os.walk(top):
            if top == layout.all_rendered and Path(folder) == layout.rendered(Path(folder).parent.name).root:
                folders.clear()  # images are no outputs of a rule
                continue
            for name in names:
                path = os.path.join(folder, name)
                if os.stat(path, follow_symlinks=False).st_mtime > now + SKEW_S:
                    os.utime(path, (now, now), follow_symlinks=False)
                    count += 1
    if count:
        sys.stderr.write(f"{count} results were dated in the future (the clock was set back?): dated now\n")
    return count


def cancel_slurm_jobs() -> list[str]:
    """Cancel the jobs that a Snakemake has left in the Slurm queue for this folder, and wait until they are gone.

    They save their state when they are asked to end, and the new jobs continue there. If both ran at the same time,
    they would write the same files.

    Returns:
        The numbers of the cancelled jobs.
    """
    jobs = _queued()
    if not jobs:
        return []
    subprocess.run(["scancel", *jobs], capture_output=True, check=False, timeout=60)
    sys.stderr.write(f"cancelled {len(jobs)} Slurm jobs of a Snakemake that is gone; their state is taken over\n")
    end = time.monotonic() + SAVING_S
    while time.monotonic() < end and set(jobs) & set(_queued()):
        time.sleep(1.0)
    return jobs


def _queued() -> list[str]:
    """Numbers of our jobs in the queue whose working folder is this one and that Snakemake has named by their rule."""
    if shutil.which("squeue") is None or shutil.which("scancel") is None:
        return []
    command = ["squeue", "--me", "--noheader", "--format=%i|%Z|%k"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return []
    numbers = []
    for line in done.stdout.splitlines() if done.returncode == 0 else []:
        number, _, rest = line.partition("|")
        folder, _, comment = rest.partition("|")
        if comment.startswith("rule_") and Path(folder).resolve() == Path.cwd().resolve():
            numbers.append(number)
    return numbers
