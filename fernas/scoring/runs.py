"""Find a finished run by its folder, the beginning of its path under results/runs, or of its run key."""

from pathlib import Path

from fernas.core.errors import DataError, did_you_mean
from fernas.core.run_log import read_status

PREDICTIONS = "predictions.parquet"
LISTED = 5


def find_run(run: str, results: Path | str = "results") -> Path:
    """The folder of the one run that `run` names.

    Args:
        run: a folder with predictions.parquet, or the beginning of `<task>/<protocol>/<method>/<scope>/s0/t0` or of the
            run key in its status.json.
        results: results folder in which runs are looked up.

    Raises:
        DataError: there is none, or more than one; the message lists the runs.
    """
    folder = Path(run)
    if (folder / PREDICTIONS).is_file():
        return folder
    root = Path(results) / "runs"
    runs = {path.parent.relative_to(root).as_posix(): path.parent for path in sorted(root.glob(f"**/{PREDICTIONS}"))}
    wanted = run.strip("/").removeprefix(f"{root.as_posix()}/")
    # a whole name wins over longer ones that begin with it (t1 and t10)
    matches = [wanted] if wanted in runs else [name for name in runs if name.startswith(wanted)]
    if not matches:
        matches = [name for name, path in runs.items() if str(read_status(path).get("run_key", "")).startswith(wanted)]
    if len(matches) == 1:
        return runs[matches[0]]
    if matches:
        more = f" and {len(matches) - LISTED} more" if len(matches) > LISTED else ""
        names = ", ".join(matches[:LISTED]) + more
        raise DataError(f"{run}: {len(matches)} runs start with this ({names}); expected one")
    if not runs:
        raise DataError(f"{run}: no {PREDICTIONS} in this folder, and none below {root}")
    names = ", ".join(list(runs)[:LISTED])
    raise DataError(f"{run}: no such run below {root}{did_you_mean(wanted, runs)}; there are {len(runs)}: {names} ...")


def find_predictions(run: str, results: Path | str = "results") -> Path:
    """The predictions file that `run` names: itself (parquet or csv), or that of the run that `find_run` finds.

    Raises:
        DataError: there is none, or more than one.
    """
    path = Path(run)
    return path if path.is_file() else find_run(run, results) / PREDICTIONS
