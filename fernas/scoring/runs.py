"""Find a finished run by its folder, the beginning of its path under results/runs, or of its run key."""

from pathlib import Path

from fernas.core.errors import DataError, did_you_mean
from fernas.core.run_log import read_status

PREDICTIONS = "predictions.parquet"
LISTED = 5


def find_run(run: str, results: Path | str = "results") -> Path:
    """The folder of the one run that `run` names.

    Args:
        run: a folder with predictions.parquet; or the beginning of `<task>/<protocol>/<method>/<scope>/s0/t0`; or of
            the run key in its status.json.
        results: where runs are looked up.

    Raises:
        DataError: there is none, or more than one; the text lists what there is.
    """
    folder = Path(run)
    if (folder / PREDICTIONS).is_file():
        return folder
    root = Path(results) / "runs"
    known = {path.parent.relative_to(root).as_posix(): path.parent for path in sorted(root.glob(f"**/{PREDICTIONS}"))}
    wanted = run.strip("/").removeprefix(f"{root.as_posix()}/")
    found = [wanted] if wanted in known else [name for name in known if name.startswith(wanted)]
    if not found:
        found = [name for name, path in known.items() if str(read_status(path).get("run_key", "")).startswith(wanted)]
    if len(found) == 1:
        return known[found[0]]
    if found:
        names = ", ".join(found[:LISTED]) + (f" and {len(found) - LISTED} more" if len(found) > LISTED else "")
        raise DataError(f"{run}: {len(found)} runs begin so ({names}); expected one")
    if not known:
        raise DataError(f"{run}: no {PREDICTIONS} in this folder, and none below {root}")
    names = ", ".join(list(known)[:LISTED])
    raise DataError(
        f"{run}: no such run below {root}{did_you_mean(wanted, known)}; there are {len(known)}: {names} ..."
    )


def find_predictions(run: str, results: Path | str = "results") -> Path:
    """The predictions file that `run` names: itself (parquet or csv), or that of the run that `find_run` finds.

    Raises:
        DataError: there is none, or more than one.
    """
    path = Path(run)
    return path if path.is_file() else find_run(run, results) / PREDICTIONS
