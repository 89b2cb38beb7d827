"""Reads a results folder: which runs it holds, and what their small files say. Tolerates whatever is not there yet.

A `Run` of `fernas.study` says what the config asks for. A `RunFiles` says what lies on disk: the two differ in the
middle of a study, after a change of its seeds, and where results are read without their config.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fernas.core.errors import DataError
from fernas.core.io import read_json, read_jsonl
from fernas.study import ResultsLayout, Run, left_over
from fernas.study.layout import RENDERED, RunFolder, folder_name, plain_name

RENDERED_NOTE = "synthetic faces: no statement about real people"


@dataclass(frozen=True, order=True)
class SearchFiles:
    """One search."""

    search_seed: int
    fold_group: int
    folder: Path


@dataclass(frozen=True, order=True)
class ShardFiles:
    """The training of one shard of folds."""

    shard: int
    folder: Path


@dataclass(frozen=True, order=True)
class TrainingFiles:
    """One trained and scored repetition."""

    search_seed: int
    train_seed: int
    folder: Path

    @property
    def shards(self) -> list[ShardFiles]:
        """Its shards, by number."""
        return [ShardFiles(number, folder) for number, folder in numbered(self.folder, "shard")]


@dataclass(frozen=True, order=True)
class RunFiles:
    """One method in one scope on one task and protocol; one row of the comparison."""

    task_dir: str
    protocol: str
    method: str
    scope: str
    folder: Path

    @property
    def task(self) -> str:
        """The task's name in config."""
        return plain_name(self.task_dir)

    @property
    def rendered(self) -> bool:
        """Whether the faces are synthetic."""
        return self.task_dir.endswith(RENDERED)

    @property
    def key(self) -> str:
        """`<task>/<protocol>/<method>/<scope>`."""
        return "/".join((self.task_dir, self.protocol, self.method, self.scope))

    @property
    def searches(self) -> list[SearchFiles]:
        """Its searches, by seed and fold group."""
        return [
            SearchFiles(seed, fold_group, folder)
            for seed, parent in numbered(self.folder, "s")
            for fold_group, folder in numbered(parent, "g")
        ]

    @property
    def trainings(self) -> list[TrainingFiles]:
        """Its trainings, by search seed and training seed."""
        return [
            TrainingFiles(search_seed, train_seed, folder)
            for search_seed, parent in numbered(self.folder, "s")
            for train_seed, folder in numbered(parent, "t")
        ]

    @property
    def shards(self) -> list[Path]:
        """The folders of all shards of its trainings."""
        return [shard.folder for training in self.trainings for shard in training.shards]

    @property
    def scores(self) -> list[dict[str, Any]]:
        """The scores.json of every training; empty where there is none yet."""
        return [optional_json(training.folder / "scores.json") for training in self.trainings]


def stored_run(results: Path, run: Run) -> RunFiles:
    """What lies of a run of the study in a results folder."""
    task_dir = run.task_folder.name
    files: RunFolder = ResultsLayout(results).run(task_dir, run.protocol, run.method, run.scope)
    return RunFiles(task_dir, run.protocol, run.method, run.scope, files.path)


def stored_runs(results: Path) -> Iterator[RunFiles]:
    """Every run below a results folder, by path."""
    for task in folders(ResultsLayout(results).all_runs):
        for protocol in folders(task):
            for method in folders(protocol):
                for scope in folders(method):
                    yield RunFiles(task.name, protocol.name, method.name, scope.name, scope)


def folds_document(results: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The fold file of a row of the comparison, without the test split; empty where it is not there yet."""
    task = ResultsLayout(results).task(folder_name(str(record["task"]), bool(record["rendered"])))
    return optional_json(task.folds(str(record["protocol"])).train)


def numbered(folder: Path, prefix: str) -> list[tuple[int, Path]]:
    """The subfolders `<prefix><number>` of a folder of a run, by number, without what the config no longer has."""
    if not folder.is_dir():
        return []
    matches = [(re.fullmatch(rf"{prefix}(\d+)", child.name), child) for child in folder.iterdir() if child.is_dir()]
    runs = next((parent for parent in folder.parents if parent.name == "runs"), None)
    gone = set() if runs is None else {runs / name for name in left_over.listed(runs.parent)}
    return sorted((int(match.group(1)), child) for match, child in matches if match and child not in gone)


def folders(folder: Path) -> list[Path]:
    """The visible subfolders of `folder`, by name."""
    if not folder.is_dir():
        return []
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def optional_json(path: Path) -> dict[str, Any]:
    """The object in a json file; an absent, empty or half-written file is an empty one."""
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    try:
        document = read_json(path)
    except DataError:
        return {}
    return document if isinstance(document, dict) else {}


def optional_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a json-lines file; an absent or broken file has none."""
    try:
        return read_jsonl(path)
    except DataError:
        return []


def run_costs(run: RunFiles) -> list[tuple[str, dict[str, Any]]]:
    """`(stage, cost.json)` of every job of a run; the stage is "search" or "training"."""
    rows = [("search", optional_json(search.folder / "cost.json")) for search in run.searches]
    rows += [("training", optional_json(folder / "cost.json")) for folder in run.shards]
    return [(stage, cost) for stage, cost in rows if cost]


def number(record: dict[str, Any], *names: str) -> float | None:
    """The first of `names` that a record holds as a number."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None
