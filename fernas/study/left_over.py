"""Repetitions on disk that the config no longer has: after fewer seeds, fold groups or shards.

Their folders are listed in `left_over.json`, and whoever reads results passes over what is listed there.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from fernas.core.io import read_json, write_json
from fernas.study.runs import Run
from fernas.study.study import Study

NAME = "left_over.json"


def left_over(study: Study) -> list[Path]:
    """The folders of searches, repetitions and shards of the study's runs that its config does not ask for."""
    return sorted({folder for run in study.runs(named=True) for folder in _of_run(run)})


def _of_run(run: Run) -> Iterator[Path]:
    for seed, parent in _numbered(run.folder, "s"):
        if seed >= run.search_seeds:
            yield parent
            continue
        yield from (folder for group, folder in _numbered(parent, "g") if group >= run.fold_groups)
        for training, folder in _numbered(parent, "t"):
            if training >= run.train_seeds:
                yield folder
            else:
                yield from (shard for number, shard in _numbered(folder, "shard") if number >= run.shards)


def _numbered(folder: Path, prefix: str) -> list[tuple[int, Path]]:
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    matches = [(re.fullmatch(rf"{prefix}(\d+)", child.name), child) for child in children]
    return [(int(match[1]), child) for match, child in matches if match]


def list_left_over(study: Study) -> list[Path]:
    """Write `left_over.json` where its content changes; returns the folders."""
    folders = left_over(study)
    names = [folder.relative_to(study.layout.all_runs).as_posix() for folder in folders]
    if names != listed(study.results):
        write_json(study.results / NAME, names)
    return folders


def listed(results: Path) -> list[str]:
    """The folders in `left_over.json`, relative to `runs`; none without the file."""
    file = results / NAME
    return [str(name) for name in read_json(file)] if file.is_file() else []
