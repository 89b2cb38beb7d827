"""What the files of a results folder say about runs: which exist, their states, parameters and points of metrics."""

import hashlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.io import canonical_json, is_number, sha256_file
from fernas.core.run_log import HEARTBEAT_S, process_is_alive
from fernas.reporting.stored import RunFiles, number, optional_json, stored_runs
from fernas.study.layout import ResultsLayout
from fernas.tracking.store import Point

STALE_S = 300.0  # a job of another host counts as dead after this long without a heartbeat
ENDS = {"ok": "FINISHED", "failed": "FAILED", "skipped": "FINISHED", "killed": "KILLED"}
NOT_PARAMS = {
    "status", "reason", "pid", "host", "heartbeat", "started", "ended", "run_key", "versions", "digests",
    "inputs", "traceback",
}  # fmt: skip
SEARCH_FILES = ("architecture.json", "cell.svg", "patches.svg", "search.jsonl", "cost.json")
SHARD_FILES = ("training.jsonl", "relabel.jsonl", "cost.json")


@dataclass
class Mirrored:
    """A run to mirror: a parent (one search seed of a method) or a child of it (a search, or a shard of folds).

    Attributes:
        path: its identity, `<task>/<protocol>/<method>/<scope>/s<search seed>[/...]`.
        name: how the store shows it.
        experiment: name of its experiment.
        stage: method, search, training or comparison.
        folder: where its files are.
        facts: task, protocol, method ... as tags and parameters.
        files: names of the files that are uploaded.
        children: of a parent.
        trainings: of a parent: training seed -> folder with its scores.
    """

    path: str
    name: str
    experiment: str
    stage: str
    folder: Path
    facts: dict[str, str]
    files: tuple[str, ...] = ()
    children: list["Mirrored"] = field(default_factory=list)
    trainings: dict[int, Path] = field(default_factory=dict)

    def child(self, path: str, stage: str, folder: Path, files: tuple[str, ...], **facts: int) -> "Mirrored":
        """A child of this parent with more facts."""
        name = f"{self.name} {path.replace('/', ' ')}"
        texts = {key: str(value) for key, value in facts.items()}
        return Mirrored(f"{self.path}/{path}", name, self.experiment, stage, folder, self.facts | texts, files)


def mirrored_runs(layout: ResultsLayout) -> Iterator[Mirrored]:
    """The parents, each with its children, of everything under `results/runs`."""
    datasets = _task_datasets(layout.comparison)
    for run in stored_runs(layout.path):
        for seed in sorted({s.search_seed for s in run.searches} | {t.search_seed for t in run.trainings}):
            yield _parent(run, seed, datasets.get(run.task, ""))


def _task_datasets(csv: Path) -> dict[str, str]:
    """Task -> dataset, once the comparison is written."""
    if not csv.is_file() or not csv.stat().st_size:
        return {}
    frame = pd.read_csv(csv, usecols=["task", "dataset"], dtype=str, keep_default_na=False)
    return dict(zip(frame["task"], frame["dataset"], strict=True))


def _parent(run: RunFiles, seed: int, dataset: str) -> Mirrored:
    facts = {
        "task": run.task, "protocol": run.protocol, "method": run.method, "scope": run.scope, "search_seed": str(seed),
        "rendered": str(run.rendered).lower(), **({"dataset": dataset} if dataset else {}),
    }  # fmt: skip
    name, experiment = f"{run.method} {run.scope} s{seed}", f"fernas/{run.task_dir}/{run.protocol}"
    parent = Mirrored(f"{run.key}/s{seed}", name, experiment, "method", run.folder / f"s{seed}", facts)
    for search in run.searches:
        if search.search_seed == seed:
            path = f"g{search.fold_group}"
            parent.children.append(
                parent.child(path, "search", search.folder, SEARCH_FILES, fold_group=search.fold_group)
            )
    for training in run.trainings:
        if training.search_seed != seed:
            continue
        parent.trainings[training.train_seed] = training.folder
        for shard in training.shards:
            path, seeds = f"t{training.train_seed}/shard{shard.shard}", {"train_seed": training.train_seed}
            child = parent.child(path, "training", shard.folder, SHARD_FILES, **seeds, shard=shard.shard)
            parent.children.append(child)
    return parent


def job_state(status: dict[str, Any], final: bool = False, now: float | None = None) -> str:
    """The MLflow state of a job from its status file: RUNNING only while there is reason to believe that it lives.

    A job of this host is dead when its process is gone and its last heartbeat is not fresh (the process may live in
    another container). One of another host is dead when its heartbeat is older than `STALE_S`.

    Args:
        status: content of status.json.
        final: no job is alive any more.
        now: seconds since 1970, by default the clock's.
    """
    state = str(status.get("status", ""))
    if state in ENDS:
        return ENDS[state]
    if final:
        return "KILLED"
    age = (time.time() if now is None else now) - float(number(status, "heartbeat", "started") or 0.0)
    if abs(age) < 2 * HEARTBEAT_S:
        return "RUNNING"
    if status.get("host") == socket.gethostname():
        is_alive = process_is_alive(int(number(status, "pid") or 0))
    else:
        is_alive = abs(age) < STALE_S  # a heartbeat in the future: the clock was set back
    return "RUNNING" if is_alive else "KILLED"


def parent_state(states: Sequence[str], scored: bool, live: bool) -> str:
    """The state of a parent.

    Args:
        states: of its children.
        scored: all its trainings are scored.
        live: the study is running, so that what is missing may still come.
    """
    if "RUNNING" in states:
        return "RUNNING"
    if "FAILED" in states:
        return "FAILED"
    if "KILLED" in states and not live:
        return "KILLED"
    if scored:
        return "FINISHED"
    return "RUNNING" if live else "KILLED"


def points_of_row(row: dict[str, Any]) -> list[Point]:
    """A row of metrics.jsonl as points; a fold of a shard has curves of its own over its epochs."""
    step, time_ms, prefix = int(row.get("step", 0)), milliseconds(float(row.get("time", 0.0))), ""
    if is_number(row.get("fold")):
        phase = f"{row['phase']}/" if isinstance(row.get("phase"), str) else ""
        prefix, step = f"fold{int(row['fold'])}/{phase}", int(row.get("epoch", step))
    return [
        Point(prefix + _metric_name(name), float(value), time_ms, step)
        for name, value in row.items()
        if name not in ("step", "time", "fold", "epoch") and is_number(value)
    ]


def _metric_name(name: str) -> str:
    """A name as MLflow takes it: its characters, and nothing that leads to another folder when it is read as a path."""
    clean = re.sub(r"[^\w\-. /:]", "_", name)
    return "/".join(part for part in clean.split("/") if part.strip(" .")) or "_"


def params_of(status: dict[str, Any]) -> dict[str, str]:
    """The parameters in a job's status, flat: nested names joined by dots, long values cut."""
    flat: dict[str, str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        elif value is not None:
            flat[re.sub(r"[^\w\-. /]", "_", prefix)[:250]] = str(value)[:500]

    add("", {key: value for key, value in status.items() if key not in NOT_PARAMS})
    return {key: value for key, value in flat.items() if value}


def time_of(status: dict[str, Any], name: str) -> float:
    """A time of a job in seconds since 1970: `started` or `ended`, else its last heartbeat, else now."""
    return float(number(status, name, "heartbeat", "started") or time.time())


def milliseconds(seconds: float) -> int:
    """Seconds since 1970 as MLflow counts them."""
    return int(seconds * 1000)


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of a file's content."""
    return sha256_file(path)[:12]


def rows_digest(rows: list[dict[str, Any]]) -> str:
    """Sixteen hexadecimal digits of the rows of a metrics.jsonl."""
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()[:16]


def signature(folder: Path, names: Sequence[str]) -> str:
    """Changes when one of the files does, by time and size; cheap enough for each pass."""
    parts = []
    for name in names:
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        parts.append(f"{name}:{stat.st_mtime_ns}:{stat.st_size}")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def scores_of(run: Mirrored, metric: str) -> dict[int, dict[str, Any]]:
    """Training seed -> scores.json, of the trainings of a parent that have a value of this metric."""
    scores = {seed: optional_json(folder / "scores.json") for seed, folder in run.trainings.items()}
    return {seed: document for seed, document in scores.items() if number(document, metric) is not None}
