"""The command `retry-failed`: removes what failed jobs left."""

import shutil
from pathlib import Path

from fernas.core.run_log import read_status
from fernas.study import Study


def remove_failed(study: Study) -> list[Path]:
    """Remove the folders of failed searches, trainings and scores of a study; returns the removed folders."""
    removed = []
    for run in study.runs():
        for folder in (*run.searches, *run.all_shards, *run.repetitions):
            if read_status(folder.path)["status"] == "failed" and folder.path.exists():
                shutil.rmtree(folder)
                removed.append(folder.path)
    return removed
