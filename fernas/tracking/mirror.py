"""The mirror of `results/runs` in MLflow.

A pass reads the status files, curves and scores of every run and adds to the store what it does not have yet. Each
search seed of a method is a parent run, its searches and the shards of its trainings are children; the comparison of
all methods is a run of its own. Invariants:

1. **Files are the record.** The mirror only reads them. Losing the store loses nothing: a pass over an empty store
   rebuilds it the same, without the ids.
2. **Replay is idempotent.** Tags of a run say how far it came: `fernas.rows` and `fernas.rows_digest` (curves),
   `fernas.cost`, `fernas.scores`, `fernas.files` (digests of what was added). They are written after what they count,
   and a point that is added twice with equal value, time and step is one point, so a crash in between does no harm.
3. **One writer.** Passes hold a lock file. It holds the token of the last writer: a process that finds another token
   forgets what it remembers of the store.
4. **Identity is the path** (tag `fernas.path`) **with the run key** (tag `fernas.run_key`). A run whose key changed is
   tagged `fernas.superseded`, and a new one takes its place. A parent may gain children without a new key.
5. **No point stands twice.** A job that was killed and continues repeats the epochs since its checkpoint, and scores
   may be replaced. A store cannot take points back, so such a run is withdrawn (deleted) and written anew.
6. **No dead run is RUNNING.** See `run_files.job_state`; a run whose status file is gone is KILLED.
7. **A dead store is no failure.** It ends a pass with `Report.error`, and the next pass starts from nothing.
"""

import contextlib
import fcntl
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fernas.core.io import canonical_json, is_number, sha256_file
from fernas.metrics import HEADLINE, all_metrics
from fernas.reporting.formats import optional, records_of
from fernas.reporting.stored import number, optional_json, optional_jsonl
from fernas.study import left_over
from fernas.study.layout import ResultsLayout, folder_name
from fernas.tracking.run_files import (
    Mirrored,
    file_digest,
    job_state,
    milliseconds,
    mirrored_runs,
    params_of,
    parent_state,
    points_of_row,
    rows_digest,
    scores_of,
    signature,
    time_of,
)
from fernas.tracking.store import Change, Point, StoredRun, StoreError

if TYPE_CHECKING:
    from fernas.tracking._mlflow import Store

LOCK_FILE = "track.lock"
COMPARISON_FILES = ("comparison.csv", "comparison.md", "report/index.html")


@dataclass
class Report:
    """What a pass over the results did."""

    created: int = 0
    changed: int = 0
    runs: int = 0
    error: str = ""

    def __str__(self) -> str:
        """One line for people."""
        text = f"{self.runs} runs, {self.created} of them new"
        return f"{text}; not reachable: {self.error}" if self.error else text


@dataclass(frozen=True)
class _Child:
    """A child whose status file exists, with what the file says."""

    run: Mirrored
    status: dict[str, Any]
    state: str

    @property
    def key(self) -> str:
        return str(self.status.get("run_key", ""))

    @property
    def started(self) -> float:
        return time_of(self.status, "started")


class Mirror:
    """Brings a store up to the state of the files, again and again.

    Args:
        results: the results folder.
        uri: the store.
    """

    def __init__(self, results: Path, uri: str) -> None:
        self.layout = ResultsLayout(results)
        self.uri = uri
        self._token = uuid.uuid4().hex
        self._report = Report()
        self._visited: set[str] = set()  # paths of the runs of this pass
        self._forget()

    def pass_once(self, final: bool = False, live: bool = False) -> Report:
        """One pass over all runs; a dead store ends it with `Report.error` set.

        Args:
            final: no job is alive any more.
            live: the study is running, so that an unfinished parent is still RUNNING.
        """
        self._report, self._visited = Report(), set()
        if not self.layout.all_runs.is_dir():
            return self._report
        try:
            with self._writer():
                self._connect()
                for run in mirrored_runs(self.layout):
                    self._mirror_parent(run, final, live and not final)
                self._end_lost()
                self._withdraw_left_over()
                self._mirror_comparison()
        except StoreError as error:
            self._report.error = str(error)
            self._forget()
        return self._report

    # The connection, and what is remembered of the store

    @contextlib.contextmanager
    def _writer(self) -> Iterator[None]:
        """Be the one writer: others wait. Forget what is remembered of the store when another one wrote."""
        path = self.layout.work / LOCK_FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = open(path, "a+", encoding="utf-8")  # noqa: SIM115  closed below
        except OSError:  # a read-only results folder has no second writer
            yield
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            if lock.read() != self._token:
                self._forget()
                lock.seek(0)
                lock.truncate()
                lock.write(self._token)
                lock.flush()
            yield

    def _forget(self) -> None:
        self._open_store: Store | None = None
        self._experiments: dict[str, str] = {}  # name -> id
        self._runs: dict[str, StoredRun] = {}  # path -> the run in the store that is not superseded
        self._mirrored: dict[str, Any] = {}  # path -> what was mirrored of it, so that unchanged files cost nothing

    def _connect(self) -> None:
        database = self._database()
        if self._open_store is None or (database is not None and not database.exists()):
            self._forget()
            from fernas.tracking._mlflow import Store

            artifacts = database.parent / "mlflow-artifacts" if database is not None else None
            self._open_store = Store(self.uri, artifacts)

    def _database(self) -> Path | None:
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    @property
    def _store(self) -> "Store":
        assert self._open_store is not None
        return self._open_store

    def _experiment(self, name: str) -> str:
        """The id of an experiment; its runs are remembered when it is first asked for."""
        if name not in self._experiments:
            self._experiments[name] = self._store.experiment(name)
            for run in self._store.runs(self._experiments[name]):
                path = run.tags.get("fernas.path")
                if path and run.tags.get("fernas.superseded") != "true":
                    self._runs[path] = run
        return self._experiments[name]

    def _current(self, run: Mirrored, key: str, started: float, parent: StoredRun | None = None) -> StoredRun:
        """The stored run with this key: a known one, or a new one after tagging one of another key as superseded."""
        experiment = self._experiment(run.experiment)
        self._report.runs += 1
        self._visited.add(run.path)
        stored = self._runs.get(run.path)
        if stored is not None and _is_superseded(stored.tags.get("fernas.run_key", ""), key, run.stage):
            self._store.add(stored, Change(tags={"fernas.superseded": "true"}))
            if stored.is_open:
                self._store.end(stored, "KILLED", milliseconds(time.time()))
            self._mirrored.pop(run.path, None)
            stored = None
        tags = {"fernas.path": run.path, "fernas.run_key": key, "stage": run.stage, **run.facts}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent.run_id
        if stored is not None:
            self._store.add(stored, Change(tags=tags))
            return stored
        stored = self._runs[run.path] = self._store.create(experiment, run.name, milliseconds(started), tags)
        self._store.add(stored, Change(params=run.facts))
        self._report.created += 1
        return stored

    def _withdraw(self, run: Mirrored, stored: StoredRun) -> None:
        self._store.withdraw(stored)
        del self._runs[run.path]

    def _end_lost(self) -> None:
        """End the runs whose status files are gone (Snakemake removes those of a job that failed)."""
        for path, stored in self._runs.items():
            if path not in self._visited and stored.is_open:
                self._store.end(stored, "KILLED", milliseconds(time.time()))
                self._mirrored.pop(path, None)

    def _withdraw_left_over(self) -> None:
        """Withdraw the runs of seeds, fold groups and shards that the config no longer has."""
        for name in left_over.listed(self.layout.path):
            for path in [path for path in self._runs if path == name or path.startswith(f"{name}/")]:
                self._store.withdraw(self._runs.pop(path))
                self._mirrored.pop(path, None)

    # Parents and their children

    def _mirror_parent(self, run: Mirrored, final: bool, live: bool) -> None:
        statuses = [(child, optional_json(child.folder / "status.json")) for child in run.children]
        children = [_Child(child, status, job_state(status, final)) for child, status in statuses if status]
        if not children:
            self._experiment(run.experiment)  # what the store has of it may have to be ended
            return
        key = canonical_json({child.run.path.removeprefix(f"{run.path}/"): child.key for child in children})
        started = min(child.started for child in children)
        stored = self._current(run, key, started)
        if _is_rescored(run, stored):
            self._withdraw(run, stored)
            stored = self._current(run, key, started)
        for child in children:
            self._mirror_child(child, stored)
        self._mirror_scores(run, stored, children, live)

    def _mirror_child(self, child: _Child, parent: StoredRun) -> None:
        run = child.run
        stored = self._current(run, child.key, child.started, parent)
        files = signature(run.folder, ("status.json", "metrics.jsonl", *run.files))
        if self._mirrored.get(run.path) == (stored.run_id, child.state, files):
            return
        rows = optional_jsonl(run.folder / "metrics.jsonl")
        if _is_repeated(stored, rows, run.folder / "cost.json"):
            self._withdraw(run, stored)
            stored = self._current(run, child.key, child.started, parent)
        self._add_rows(child, stored, rows)
        if child.state != "RUNNING":
            self._upload(stored, [(run.folder / name, None) for name in run.files])
        self._store.end(stored, child.state, milliseconds(time_of(child.status, "ended")))
        self._report.changed += 1
        self._mirrored[run.path] = (stored.run_id, child.state, files)

    def _add_rows(self, child: _Child, stored: StoredRun, rows: list[dict[str, Any]]) -> None:
        """Add the rows of metrics.jsonl that the store does not have, and the cost of a job that has ended."""
        status, ended = child.status, milliseconds(time_of(child.status, "ended"))
        tags = {
            "fernas.rows": str(len(rows)),
            "fernas.rows_digest": rows_digest(rows),
            "fernas.status": str(status.get("status", "")),
            "host": str(status.get("host", "")),
        }
        if status.get("reason"):
            tags["fernas.reason"] = str(status["reason"])[:1000]
        points = [point for row in rows[int(stored.tags.get("fernas.rows", "0")) :] for point in points_of_row(row)]
        cost_file = child.run.folder / "cost.json"
        cost = optional_json(cost_file)
        if cost and child.state != "RUNNING" and "fernas.cost" not in stored.tags:
            points += [Point(f"cost/{name}", float(value), ended) for name, value in cost.items() if is_number(value)]
            tags["fernas.cost"] = file_digest(cost_file)
        self._store.add(stored, Change(points, params_of(status), tags))

    def _mirror_scores(self, run: Mirrored, stored: StoredRun, children: list[_Child], live: bool) -> None:
        """Add the scores of a parent's trainings: of each, and of each metric the mean over those that are scored."""
        scores = scores_of(run, HEADLINE)
        state = parent_state([c.state for c in children], len(scores) == len(run.trainings) > 0, live)
        folders = {seed: run.trainings[seed] for seed in scores}
        files = [signature(folder, ("scores.json", "predictions.parquet")) for folder in folders.values()]
        if self._mirrored.get(run.path) == (stored.run_id, state, files):
            return
        points: list[Point] = []
        totals: dict[str, list[float]] = {}
        digests = json.loads(stored.tags.get("fernas.scores", "{}"))
        for position, (seed, folder) in enumerate(folders.items()):
            time_ms = milliseconds((folder / "scores.json").stat().st_mtime)
            digest = file_digest(folder / "scores.json")
            is_new = digests.get(str(seed)) != digest  # the same scores written again are no second point
            digests[str(seed)] = digest
            for metric in all_metrics():
                value = number(scores[seed], metric.name)
                if value is None:
                    continue
                values = totals.setdefault(metric.name, [])
                values.append(value)
                if is_new:
                    points.append(Point(f"scores/t{seed}/{metric.name}", value, time_ms))
                    points.append(Point(metric.name, sum(values) / len(values), time_ms, position))
        tags = {
            "fernas.status": state.lower(),
            "fernas.seeds": str(len(scores)),
            "fernas.scores": canonical_json(digests),
        }
        self._store.add(stored, Change(points, {}, tags))
        names = ("scores.json", "predictions.parquet")
        self._upload(stored, [(folder / name, f"t{seed}") for seed, folder in folders.items() for name in names])
        self._draw(stored, {f"t{seed}": folder / "predictions.parquet" for seed, folder in folders.items()})
        self._store.end(stored, state, milliseconds(max(time_of(child.status, "ended") for child in children)))
        self._mirrored[run.path] = (stored.run_id, state, files)
        self._report.changed += 1

    # The comparison

    def _mirror_comparison(self) -> None:
        """The comparison of all methods as a run of its own: its tables, its report, the scores of finished rows."""
        results, csv = self.layout.path, self.layout.comparison
        if not csv.is_file() or not csv.stat().st_size:
            return
        key, written = sha256_file(csv)[:16], csv.stat().st_mtime
        run = Mirrored("comparison", "comparison", "fernas/comparison", "comparison", results, {}, COMPARISON_FILES)
        stored = self._current(run, key, written)
        state = (stored.run_id, signature(results, run.files))
        if self._mirrored.get(run.path) == state:
            return
        frame = pd.read_csv(csv)
        counts = {f"rows_{status}": str(int(n)) for status, n in frame["status"].value_counts().items()}
        # the same table with another date is no second point (Snakemake touches its outputs)
        points = [] if stored.tags.get("fernas.scores") == key else _comparison_points(frame, milliseconds(written))
        self._store.add(stored, Change(points, {}, {**counts, "fernas.scores": key}))
        for path, is_best in optional_json(self.layout.tables / "statistics.json").get("best_runs", {}).items():
            if path in self._runs:
                self._store.add(self._runs[path], Change(tags={"best": is_best}))
        caveats = _caveats(frame)
        for path, known in self._runs.items():
            if tags := caveats.get(path.rpartition("/")[0]):  # a parent: the path of its row and a search seed
                self._store.add(known, Change(tags=tags))
        tables = self.layout.tables
        files: list[tuple[Path, str | None]] = [(results / name, None) for name in run.files]
        files += [(table, "tables") for table in (sorted(tables.glob("*.*")) if tables.is_dir() else [])]
        files += [(drawing, "tables/drawings") for drawing in sorted(self.layout.drawings.glob("*.svg"))]
        self._upload(stored, files)
        self._store.end(stored, "FINISHED", milliseconds(written))
        self._mirrored[run.path] = state
        self._report.changed += 1

    # Files

    def _upload(self, stored: StoredRun, files: list[tuple[Path, str | None]]) -> None:
        """Upload the files, each with its folder in the store, whose content the store does not have yet."""
        digests = _file_digests(stored)
        for file, folder in files:
            name = f"{folder}/{file.name}" if folder else file.name
            if not file.is_file() or file.stat().st_size == 0:
                continue
            digest = file_digest(file)
            if digests.get(name) != digest:
                self._store.artefact(stored, file, folder)
                digests[name] = digest
        self._store.add(stored, Change(tags={"fernas.files": canonical_json(digests)}))

    def _draw(self, stored: StoredRun, predictions: dict[str, Path]) -> None:
        """A confusion matrix beside each predictions file: folder in the store -> file."""
        digests = _file_digests(stored)
        for folder, file in predictions.items():
            name = f"{folder}/confusion.png"
            if not file.is_file() or digests.get(name) == (digest := file_digest(file)):
                continue
            from fernas.reporting import figures  # matplotlib takes a second to import

            image = figures.confusion_of(file)
            if image is None:
                continue
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary) / "confusion.png"
                path.write_bytes(image)
                self._store.artefact(stored, path, folder)
            digests[name] = digest
        self._store.add(stored, Change(tags={"fernas.files": canonical_json(digests)}))


def _comparison_points(frame: pd.DataFrame, time_ms: int) -> list[Point]:
    """Every metric of the finished rows of the comparison."""
    return [
        Point(
            f"{metric.name}/{row['task']}/{row['protocol']}/{row['method']}/{row['search_scope']}",
            float(row[metric.name]),
            time_ms,
        )
        for row in records_of(frame[frame["status"] == "ok"])
        for metric in all_metrics()
        if is_number(row.get(metric.name))
    ]


def _caveats(frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    """`<task>/<protocol>/<method>/<scope>` -> the columns `leaks` and `extra_data` of its row, as tags."""
    caveats = {}
    for row in records_of(frame):
        folder = folder_name(str(row["task"]), bool(row["rendered"]))
        path = f"{folder}/{row['protocol']}/{row['method']}/{row['search_scope']}"
        caveats[path] = {name: optional(row[name]) for name in ("leaks", "extra_data")}
    return caveats


def _is_superseded(old: str, new: str, stage: str) -> bool:
    """Whether a run of key `old` is another run than one of key `new`; a parent may gain children."""
    if stage != "method":
        return old != new
    try:
        before, after = json.loads(old or "{}"), json.loads(new)
    except json.JSONDecodeError:
        return True
    return any(name in after and after[name] != key for name, key in before.items())


def _is_repeated(stored: StoredRun, rows: list[dict[str, Any]], cost: Path) -> bool:
    """Whether a job that started anew wrote rows or costs again, or took them back, that the store has already."""
    rows_tag, cost_tag = stored.tags.get("fernas.rows_digest"), stored.tags.get("fernas.cost")
    if rows_tag is not None and rows_tag != rows_digest(rows[: int(stored.tags.get("fernas.rows", "0"))]):
        return True
    return cost_tag is not None and (not cost.is_file() or cost_tag != file_digest(cost))


def _is_rescored(run: Mirrored, stored: StoredRun) -> bool:
    """Whether scores that the store has were replaced since, by those of a later training, or are left over."""
    digests = json.loads(stored.tags.get("fernas.scores", "{}"))
    if not set(digests) <= {str(seed) for seed in run.trainings}:
        return True
    for seed, folder in run.trainings.items():
        with contextlib.suppress(FileNotFoundError):  # Snakemake removes it before its job runs again
            if str(seed) in digests and file_digest(folder / "scores.json") != digests[str(seed)]:
                return True
    return False


def _file_digests(stored: StoredRun) -> dict[str, str]:
    """Name -> digest of the files that the store has of a run."""
    return dict(json.loads(stored.tags.get("fernas.files", "{}")))
