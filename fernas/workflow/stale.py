"""What a killed Snakemake leaves behind: its lock, and jobs in a Slurm queue that would run beside new ones."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fernas.core.errors import ContractError, DataError
from fernas.core.io import read_json, write_json
from fernas.core.run_log import process_is_alive
from fernas.study import ResultsLayout

SKEW_S = 60.0
SAVING_S = 120.0  # longest time that cancelled jobs are waited for; they save their state first


def owner_of(layout: ResultsLayout) -> dict[str, Any] | None:
    """The record of the Snakemake that runs this study, or of one that was killed; None where there is none."""
    try:
        owner = read_json(layout.work.owner)
        return owner if isinstance(owner, dict) else None
    except DataError:  # no record, or one that cannot be read: it says nothing about its writer
        return None


def take_over(layout: ResultsLayout) -> None:
    """Record that this process runs the study, before Snakemake takes its lock; clear what a killed run has left.

    The record belongs to the study, Snakemake's locks to the working folder, where other studies may run: of these only
    the locks of this study's files go, and only when its recorded process is gone on this very host. A run on another
    host keeps its record until `own` replaces it.

    Raises:
        ContractError: another Snakemake on this host runs the study.
    """
    owner = owner_of(layout)
    is_here = owner is not None and owner.get("host") == socket.gethostname()
    if owner is not None and is_here and _is_snakemake(int(owner.get("pid", 0))):
        raise ContractError(
            f"{layout}: Snakemake runs this study already (process {owner.get('pid')}), expected one at a time"
        )
    if owner is not None and not is_here:
        return
    was_killed = owner is not None and owner.get("folder") == str(Path.cwd())
    if was_killed and _clear_locks(layout):
        sys.stderr.write(f"cleared the lock of a Snakemake that is gone (process {(owner or {}).get('pid')})\n")
    own(layout, was_killed)
    atexit.register(_give_up, layout)


def own(layout: ResultsLayout, after_kill: bool = False) -> None:
    """Record that this process runs the study."""
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "folder": str(Path.cwd()), "after_kill": after_kill}
    write_json(layout.work.owner, owner)


def _give_up(layout: ResultsLayout) -> None:
    """Remove the record at the end of this process, where Snakemake came to no end of the workflow."""
    owner = owner_of(layout)
    if owner is not None and (owner.get("pid"), owner.get("host")) == (os.getpid(), socket.gethostname()):
        layout.work.owner.unlink(missing_ok=True)


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


def _locks() -> list[Path]:
    folder = Path(".snakemake/locks")
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_of(lock: Path, layout: ResultsLayout) -> bool:
    """Whether a lock names files of this study alone."""
    results = os.path.abspath(layout.path)
    try:
        names = lock.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return all(os.path.abspath(name).startswith(results + os.sep) for name in names)


def _clear_locks(layout: ResultsLayout) -> list[Path]:
    """Remove the locks of this study's files; returns them."""
    cleared = [lock for lock in _locks() if _is_of(lock, layout)]
    for lock in cleared:
        lock.unlink(missing_ok=True)
    return cleared


def others_run(layout: ResultsLayout) -> bool:
    """Whether another study holds a lock in this working folder."""
    return not all(_is_of(lock, layout) for lock in _locks())


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
