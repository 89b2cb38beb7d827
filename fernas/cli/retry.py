"""Forgetting failed jobs."""

import shutil
from pathlib import Path

from fernas.core.config import StudyConfig
from fernas.core.grid import runs
from fernas.core.run_log import read_status


def forget_failed(config: StudyConfig) -> list[Path]:
    """Remove the folders of failed searches, trainings and scores of a study; returns the removed folders."""
    removed = []
    for run in runs(config):
        for s, t in run.seeds:
            folders = [run.search_folder(s, g) for g in range(run.groups)]
            folders += [run.shard_folder(s, t, j) for j in range(run.shards)] + [run.train_folder(s, t)]
            for folder in folders:
                if read_status(folder)["status"] == "failed" and folder.exists():
                    shutil.rmtree(folder)
                    removed.append(folder)
    return removed
