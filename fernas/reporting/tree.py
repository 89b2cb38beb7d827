"""Reads a results folder: which runs it holds, and what their small files say. Tolerates whatever is not there yet."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fernas.core.errors import DataError
from fernas.core.io import read_json, read_jsonl

RENDERED_SUFFIX = "-rendered"
RENDERED_NOTE = "rendered faces: not evidence about people"


@dataclass(frozen=True, order=True)
class SearchRun:
    """One search: `results/runs/<task>/<protocol>/<method>/<scope>/s<seed>/g<group>`."""

    search_seed: int
    group: int
    folder: Path


@dataclass(frozen=True, order=True)
class ShardRun:
    """One shard of folds of one training: `.../s<seed>/t<seed>/shard<j>`."""

    shard: int
    folder: Path


@dataclass(frozen=True, order=True)
class TrainRun:
    """One training and its scores: `.../s<search seed>/t<training seed>`."""

    search_seed: int
    train_seed: int
    folder: Path

    @property
    def shards(self) -> list[ShardRun]:
        """Its shards, by number."""
        return [ShardRun(number, folder) for number, folder in numbered(self.folder, "shard")]


@dataclass(frozen=True, order=True)
class MethodRun:
    """One method in one scope on one task and protocol; one row of the comparison."""

    task_dir: str
    protocol: str
    method: str
    scope: str
    folder: Path

    @property
    def task(self) -> str:
        """The task's name in config."""
        return self.task_dir.removesuffix(RENDERED_SUFFIX)

    @property
    def rendered(self) -> bool:
        """Whether the faces were rendered."""
        return self.task_dir.endswith(RENDERED_SUFFIX)

    @property
    def key(self) -> str:
        """`<task>/<protocol>/<method>/<scope>`."""
        return "/".join((self.task_dir, self.protocol, self.method, self.scope))

    @property
    def searches(self) -> list[SearchRun]:
        """Its searches, by seed and group."""
        return [
            SearchRun(seed, group, folder)
            for seed, parent in numbered(self.folder, "s")
            for group, folder in numbered(parent, "g")
        ]

    @property
    def trainings(self) -> list[TrainRun]:
        """Its trainings, by search seed and training seed."""
        return [
            TrainRun(search_seed, train_seed, folder)
            for search_seed, parent in numbered(self.folder, "s")
            for train_seed, folder in numbered(parent, "t")
        ]


def numbered(folder: Path, prefix: str) -> list[tuple[int, Path]]:
    """The subfolders `<prefix><number>` of `folder`, by number."""
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"{prefix}(\d+)")
    found = [(pattern.fullmatch(child.name), child) for child in folder.iterdir() if child.is_dir()]
    return sorted((int(match.group(1)), child) for match, child in found if match)


def folders(folder: Path) -> list[Path]:
    """The visible subfolders of `folder`, by name."""
    if not folder.is_dir():
        return []
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def method_runs(results: Path) -> Iterator[MethodRun]:
    """Every method run under `results/runs`, by path."""
    for task in folders(results / "runs"):
        for protocol in folders(task):
            for method in folders(protocol):
                for scope in folders(method):
                    yield MethodRun(task.name, protocol.name, method.name, scope.name, scope)


def optional_json(path: Path) -> dict[str, Any]:
    """The object in a json file; an absent, empty or half-written file is an empty one."""
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    try:
        found = read_json(path)
    except DataError:
        return {}
    return found if isinstance(found, dict) else {}


def optional_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a json-lines file; an absent or broken file has none."""
    try:
        return read_jsonl(path)
    except DataError:
        return []


def costs(run: MethodRun) -> list[tuple[str, dict[str, Any]]]:
    """`(stage, cost.json)` of every job of a method run; stage is "search" or "training"."""
    rows = [("search", optional_json(search.folder / "cost.json")) for search in run.searches]
    rows += [
        ("training", optional_json(shard.folder / "cost.json"))
        for training in run.trainings
        for shard in training.shards
    ]
    return [(stage, cost) for stage, cost in rows if cost]


def number(record: dict[str, Any], *names: str) -> float | None:
    """The first of `names` that `record` holds as a number."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None
