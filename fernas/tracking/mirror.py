"""The mirror of `results/runs` in MLflow: files are the record, and losing the store loses nothing.

Jobs append `metrics.jsonl` and `status.json`; `follow` mirrors what is new while the study runs, `sync` replays
everything into any store. Identity of a run is its path (tag `fernas.path`) with its key (tag `fernas.run_key`); a run
whose key changed is tagged superseded and a new one takes its place. A job that was killed and continues repeats the
epochs since its checkpoint: its run is withdrawn (deleted in the store) and written anew, so that no point stands
twice; so is that of a parent whose scores are replaced. A run whose status file is gone is no longer RUNNING. One
writer at a time, kept by a lock file.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fernas.core.errors import ConfigError
from fernas.core.io import canonical_json, is_number, sha256_file
from fernas.core.run_log import HEARTBEAT_S
from fernas.reporting.best import best_runs
from fernas.reporting.formats import records_of
from fernas.reporting.tree import MethodRun, method_runs, number, optional_json, optional_jsonl

if TYPE_CHECKING:
    from fernas.tracking._mlflow import Change, Store, StoredRun

logger = logging.getLogger(__name__)

STALE_S = 300.0  # a job of another host counts as dead after this long without a heartbeat
STOP_FILE = ".work/track.stop"
LOCK_FILE = ".work/track.lock"
NOT_PARAMS = {
    "status", "reason", "pid", "host", "heartbeat", "started", "ended", "run_key", "versions", "digests",
    "inputs", "traceback",
}  # fmt: skip
ENDS = {"ok": "FINISHED", "failed": "FAILED", "skipped": "FINISHED", "killed": "KILLED"}
SEARCH_FILES = ("architecture.json", "cell.svg", "patches.svg", "search.jsonl", "cost.json")
COMPARISON_FILES = ("comparison.csv", "comparison.md", "report/index.html")
SHARD_FILES = ("training.jsonl", "relabel.jsonl", "cost.json")


@dataclass
class Job:
    """One run to mirror: a parent (a search seed of a method) or one of its children (a search, a shard of folds)."""

    path: str
    name: str
    experiment: str
    stage: str
    folder: Path
    facts: dict[str, str]
    files: tuple[str, ...]
    children: list["Job"] = field(default_factory=list)
    trainings: list[tuple[int, Path]] = field(default_factory=list)


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


def default_uri(results: Path | str) -> str:
    """The store beside the results."""
    return f"sqlite:///{Path(results) / 'mlflow.db'}"


def check_uri(uri: str) -> str:
    """The uri itself; a ConfigError for a file store, which MLflow has retired, or an unknown scheme."""
    if uri.startswith(("sqlite://", "http://", "https://", "postgresql", "mysql", "mssql")):
        return uri
    if uri.startswith("file:") or "://" not in uri:
        raise ConfigError(
            f"tracking uri: {uri!r} is a file store, which MLflow no longer writes; "
            "expected sqlite:///results/mlflow.db or http://host:port"
        )
    raise ConfigError(
        f"tracking uri: unknown scheme in {uri!r}; expected sqlite:///results/mlflow.db or http://host:port"
    )


def sync(results: Path | str, uri: str | None = None, attempts: int = 3, final: bool = False) -> Report:
    """Replay everything under `results/runs` into a store; doing it twice changes nothing.

    Args:
        results: the results folder.
        uri: the store, by default `sqlite:///<results>/mlflow.db`.
        attempts: tries before a dead store is reported, with a warning and in `Report.error`, never by an exception.
        final: the study is over, so that whatever still says running was killed.

    Raises:
        ConfigError: the uri is a file store or of an unknown scheme.
    """
    mirror = Mirror(Path(results), check_uri(uri or default_uri(results)))
    report = Report()
    for attempt in range(attempts):
        report = mirror.pass_once(final=final)
        if not report.error:
            return report
        if attempt + 1 < attempts:
            time.sleep(min(2.0, 0.5 * 2**attempt))
    logger.warning("tracking: %s is not reachable (%s); results are complete without it", mirror.uri, report.error)
    return report


def follow(
    results: Path | str,
    uri: str | None = None,
    stop_file: Path | str | None = None,
    parent_pid: int | None = None,
    interval_s: float = 5.0,
) -> Report:
    """Mirror what is new every `interval_s` seconds until a stop file, the end of the parent process or SIGTERM.

    The last pass leaves no run in state RUNNING. A dead store costs a warning and is tried again, at most each minute.
    """
    root = Path(results)
    stop = Path(stop_file) if stop_file is not None else root / STOP_FILE
    mirror = Mirror(root, check_uri(uri or default_uri(results)))
    told: list[int] = []
    with _on_terminate(told):
        pause, warned = interval_s, False
        while True:
            over = bool(told) or stop.exists() or (parent_pid is not None and not _alive(parent_pid))
            report = mirror.pass_once(final=over, live=not over)
            if report.error and not warned:
                logger.warning("tracking: %s is not reachable (%s); trying again", mirror.uri, report.error)
            warned = bool(report.error)
            pause = min(60.0, pause * 2) if report.error else interval_s
            if over:
                return report
            _wait(pause, stop, told, parent_pid)


def _wait(seconds: float, stop: Path, told: list[int], parent: int | None) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not told and not stop.exists() and (parent is None or _alive(parent)):
        time.sleep(min(0.2, seconds))


@contextlib.contextmanager
def _on_terminate(told: list[int]) -> Iterator[None]:
    """Collect SIGTERM instead of dying of it (in the main thread; elsewhere signals cannot be caught)."""
    try:
        before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Mirror:
    """Brings a store up to the state of the files, again and again."""

    def __init__(self, results: Path, uri: str) -> None:
        self.results = results
        self.uri = uri
        self._token = uuid.uuid4().hex
        self._store: Store | None = None
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, StoredRun] = {}
        self._seen: dict[str, Any] = {}
        self._visited: set[str] = set()

    def pass_once(self, final: bool = False, live: bool = False) -> Report:
        """One pass over all runs; a dead store ends it with `Report.error` set.

        Args:
            final: no job is alive any more.
            live: the study is running, so that an unfinished parent is still RUNNING.
        """
        report = Report()
        if not (self.results / "runs").is_dir():
            return report
        from fernas.tracking._mlflow import StoreError

        try:
            with self._writer():
                self._connect()
                datasets = task_datasets(self.results)
                self._visited = set()
                for job in jobs(self.results, datasets):
                    self._mirror_parent(job, report, final, live)
                self._end_lost()
                self._mirror_comparison(report)
        except StoreError as error:
            report.error = str(error)
            self._forget()
        return report

    @contextlib.contextmanager
    def _writer(self) -> Iterator[None]:
        """The one writer: others wait; what is remembered of the store is forgotten when another one wrote."""
        path = self.results / LOCK_FILE
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
        self._store = None
        self._experiments, self._runs, self._seen = {}, {}, {}

    def _connect(self) -> None:
        if self._store is None or self._store_is_gone():
            self._forget()
            from fernas.tracking._mlflow import Store

            self._store = Store(self.uri, self._artifacts())

    def _database(self) -> Path | None:
        return Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    def _store_is_gone(self) -> bool:
        database = self._database()
        return database is not None and not database.exists()

    def _artifacts(self) -> Path | None:
        database = self._database()
        return database.parent / "mlflow-artifacts" if database is not None else None

    def _experiment(self, name: str) -> str:
        assert self._store is not None
        if name not in self._experiments:
            self._experiments[name] = self._store.experiment(name)
            for run in self._store.runs(self._experiments[name]):
                path = run.tags.get("fernas.path")
                if path and run.tags.get("fernas.superseded") != "true":
                    self._runs[path] = run
        return self._experiments[name]

    def _mirror_parent(self, job: Job, report: Report, final: bool, live: bool) -> None:
        found = [(child, optional_json(child.folder / "status.json")) for child in job.children]
        known = [(child, status) for child, status in found if status]
        if not known:
            self._experiment(job.experiment)  # what the store has of it may have to be ended
            return
        keys = {child.path.removeprefix(f"{job.path}/"): str(status.get("run_key", "")) for child, status in known}
        own, first = canonical_json(keys), min(_time(status, "started") for _, status in known)
        parent = self._current(job, own, first, None, report)
        if _rescored(job, parent):
            self._store_of().withdraw(parent)
            del self._runs[job.path]
            parent = self._current(job, own, first, None, report)
        states = []
        for child, status in known:
            state = job_state(status, final)
            states.append(state)
            key, start = str(status.get("run_key", "")), _time(status, "started")
            run = self._current(child, key, start, parent, report)
            signature = _signature(child.folder, ("status.json", "metrics.jsonl", *child.files))
            if self._seen.get(child.path) == (run.run_id, state, signature):
                continue
            rows = optional_jsonl(child.folder / "metrics.jsonl")
            if _repeats(run, rows, child.folder / "cost.json"):
                self._store_of().withdraw(run)
                del self._runs[child.path]
                run = self._current(child, key, start, parent, report)
            self._update(child, run, status, state, rows, report)
            self._seen[child.path] = (run.run_id, state, signature)
        self._update_parent(job, parent, [s for _, s in known], states, live and not final, report)

    def _store_of(self) -> "Store":
        assert self._store is not None
        return self._store

    def _end_lost(self) -> None:
        """End the runs whose status files are gone (Snakemake removes those of a job that failed)."""
        for path, run in self._runs.items():
            if path not in self._visited and run.status in ("RUNNING", "SCHEDULED"):
                self._store_of().end(run, "KILLED", _ms(time.time()))
                self._seen.pop(path, None)

    def _current(self, job: Job, key: str, started: float, parent: "StoredRun | None", report: Report) -> "StoredRun":
        """The run of a job with this key: found, or created after tagging one of another key as superseded."""
        assert self._store is not None
        experiment = self._experiment(job.experiment)
        report.runs += 1
        self._visited.add(job.path)
        run = self._runs.get(job.path)
        if run is not None and _superseded(run.tags.get("fernas.run_key", ""), key, job.stage):
            self._store.add(run, _change(tags={"fernas.superseded": "true"}))
            if run.status in ("RUNNING", "SCHEDULED"):
                self._store.end(run, "KILLED", _ms(time.time()))
            self._seen.pop(job.path, None)
            run = None
        tags = {"fernas.path": job.path, "fernas.run_key": key, "stage": job.stage, **job.facts}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent.run_id
        if run is None:
            run = self._runs[job.path] = self._store.create(experiment, job.name, _ms(started), tags)
            self._store.add(run, _change(params=job.facts))
            report.created += 1
        else:
            self._store.add(run, _change(tags=tags))
        return run

    def _update(
        self,
        job: Job,
        run: "StoredRun",
        status: dict[str, Any],
        state: str,
        rows: list[dict[str, Any]],
        report: Report,
    ) -> None:
        """Bring the run of a search or a shard up to its files; those of `rows` that it has are the first."""
        assert self._store is not None
        new = rows[int(run.tags.get("fernas.rows", "0")) :]
        tags = {
            "fernas.rows": str(len(rows)),
            "fernas.rows_digest": _digest_of(rows),
            "fernas.status": str(status.get("status", "")),
            "host": str(status.get("host", "")),
        }
        if status.get("reason"):
            tags["fernas.reason"] = str(status["reason"])[:1000]
        metrics = [metric for row in new for metric in _metrics(row)]
        cost = optional_json(job.folder / "cost.json")
        when = _ms(_time(status, "ended"))
        if cost and state != "RUNNING" and "fernas.cost" not in run.tags:
            metrics += [(f"cost/{k}", float(v), when, 0) for k, v in cost.items() if is_number(v)]
            tags["fernas.cost"] = sha256_file(job.folder / "cost.json")[:12]
        self._store.add(run, _change(metrics, _params(status), tags))
        if state != "RUNNING":
            self._upload(run, [(job.folder / name, None) for name in job.files])
        self._store.end(run, state, _ms(_time(status, "ended")))
        report.changed += 1

    def _update_parent(
        self, job: Job, run: "StoredRun", statuses: list[dict[str, Any]], states: list[str], live: bool, report: Report
    ) -> None:
        assert self._store is not None
        scored = [(seed, folder, optional_json(folder / "scores.json")) for seed, folder in job.trainings]
        scored = [(seed, folder, scores) for seed, folder, scores in scored if number(scores, "uar") is not None]
        state = parent_state(states, len(scored) == len(job.trainings) > 0, live)
        signature = (run.run_id, state, [_signature(f, ("scores.json", "predictions.parquet")) for _, f, _ in scored])
        if self._seen.get(job.path) == signature:
            return
        metrics: list[tuple[str, float, int, int]] = []
        files: list[tuple[Path, str | None]] = []
        figures: list[tuple[Path, str]] = []
        totals: dict[str, list[float]] = {}
        have = json.loads(run.tags.get("fernas.scores", "{}"))
        for position, (seed, folder, scores) in enumerate(scored):
            when = int((folder / "scores.json").stat().st_mtime * 1000)
            digest = sha256_file(folder / "scores.json")[:12]
            is_new = have.get(str(seed)) != digest  # the same scores written again are no second point
            have[str(seed)] = digest
            for name in ("uar", "uf1", "accuracy"):
                if (value := number(scores, name)) is not None:
                    totals.setdefault(name, []).append(value)
                    if is_new:
                        metrics.append((f"scores/t{seed}/{name}", value, when, 0))
                        metrics.append((name, sum(totals[name]) / len(totals[name]), when, position))
            files += [(folder / "scores.json", f"t{seed}"), (folder / "predictions.parquet", f"t{seed}")]
            figures.append((folder / "predictions.parquet", f"t{seed}"))
        tags = {"fernas.status": state.lower(), "fernas.seeds": str(len(scored)), "fernas.scores": canonical_json(have)}
        self._store.add(run, _change(metrics, {}, tags))
        self._upload(run, files)
        self._draw(run, figures)
        self._store.end(run, state, _ms(max((_time(s, "ended") for s in statuses), default=time.time())))
        self._seen[job.path] = signature
        report.changed += 1

    def _mirror_comparison(self, report: Report) -> None:
        """The comparison of all methods as a run of its own: its tables, its report, one UAR per finished row."""
        assert self._store is not None
        csv = self.results / "comparison.csv"
        if not csv.is_file() or not csv.stat().st_size:
            return
        folder, key = self.results, sha256_file(csv)[:16]
        job = Job("comparison", "comparison", "fernas/comparison", "comparison", folder, {}, COMPARISON_FILES)
        run = self._current(job, key, csv.stat().st_mtime, None, report)
        signature = (run.run_id, _signature(folder, job.files))
        if self._seen.get(job.path) == signature:
            return
        frame = pd.read_csv(csv)
        when = _ms(csv.stat().st_mtime)
        good = frame[frame["status"] == "ok"]
        metrics = [
            (f"uar/{row['task']}/{row['protocol']}/{row['method']}/{row['search_scope']}", float(row["uar"]), when, 0)
            for row in records_of(good)
            if is_number(row["uar"])
        ]
        counts = {f"rows_{status}": str(int(n)) for status, n in frame["status"].value_counts().items()}
        if run.tags.get("fernas.scores") == key:  # the same table with another date (Snakemake touches its outputs)
            metrics = []
        self._store.add(run, _change(metrics, {}, {**counts, "fernas.scores": key}))
        for path, is_best in best_runs(self.results, frame).items():
            if path in self._runs:
                self._store.add(self._runs[path], _change(tags={"best": is_best}))
        tables = sorted((folder / "tables").glob("*.*")) if (folder / "tables").is_dir() else []
        self._upload(run, [(folder / name, None) for name in job.files] + [(table, "tables") for table in tables])
        self._store.end(run, "FINISHED", when)
        self._seen[job.path] = signature
        report.changed += 1

    def _upload(self, run: "StoredRun", files: list[tuple[Path, str | None]]) -> None:
        """Upload files whose content the store does not have yet."""
        assert self._store is not None
        have = _digests(run)
        for file, folder in files:
            name = f"{folder}/{file.name}" if folder else file.name
            if not file.is_file() or file.stat().st_size == 0:
                continue
            digest = sha256_file(file)[:12]
            if have.get(name) != digest:
                self._store.artefact(run, file, folder)
                have[name] = digest
        self._store.add(run, _change(tags={"fernas.files": canonical_json(have)}))

    def _draw(self, run: "StoredRun", predictions: list[tuple[Path, str]]) -> None:
        """A confusion matrix beside each predictions file."""
        assert self._store is not None
        have = _digests(run)
        for file, folder in predictions:
            name = f"{folder}/confusion.png"
            if not file.is_file() or have.get(name) == (digest := sha256_file(file)[:12]):
                continue
            from fernas.reporting import figures

            image = figures.confusion_of(file)
            if image is None:
                continue
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary) / "confusion.png"
                path.write_bytes(image)
                self._store.artefact(run, path, folder)
            have[name] = digest
        self._store.add(run, _change(tags={"fernas.files": canonical_json(have)}))


def task_datasets(results: Path) -> dict[str, str]:
    """Task -> dataset, once the comparison is written."""
    csv = results / "comparison.csv"
    if not csv.is_file() or not csv.stat().st_size:
        return {}
    frame = pd.read_csv(csv, usecols=["task", "dataset"], dtype=str, keep_default_na=False)
    return dict(zip(frame["task"], frame["dataset"], strict=True))


def jobs(results: Path, datasets: dict[str, str] | None = None) -> Iterator[Job]:
    """The parents, each with its children, of everything under `results/runs`."""
    for run in method_runs(results):
        for seed in sorted({s.search_seed for s in run.searches} | {t.search_seed for t in run.trainings}):
            yield _parent(run, seed, (datasets or {}).get(run.task, ""))


def _parent(run: MethodRun, seed: int, dataset: str = "") -> Job:
    experiment = f"fernas/{run.task_dir}/{run.protocol}"
    facts = {
        "task": run.task, "protocol": run.protocol, "method": run.method, "scope": run.scope, "search_seed": str(seed),
        "rendered": str(run.rendered).lower(),
    }  # fmt: skip
    if dataset:
        facts["dataset"] = dataset
    name = f"{run.method} {run.scope} s{seed}"
    job = Job(f"{run.key}/s{seed}", name, experiment, "method", run.folder / f"s{seed}", facts, ())
    for search in run.searches:
        if search.search_seed == seed:
            part, more = f"g{search.group}", {"group": str(search.group)}
            job.children.append(
                Job(
                    f"{job.path}/{part}",
                    f"{name} {part}",
                    experiment,
                    "search",
                    search.folder,
                    facts | more,
                    SEARCH_FILES,
                )
            )
    for training in run.trainings:
        if training.search_seed != seed:
            continue
        job.trainings.append((training.train_seed, training.folder))
        for shard in training.shards:
            part = f"t{training.train_seed}/shard{shard.shard}"
            more = {"train_seed": str(training.train_seed), "shard": str(shard.shard)}
            job.children.append(
                Job(
                    f"{job.path}/{part}",
                    f"{name} {part.replace('/', ' ')}",
                    experiment,
                    "training",
                    shard.folder,
                    facts | more,
                    SHARD_FILES,
                )  # fmt: skip
            )
    return job


def job_state(status: dict[str, Any], final: bool = False, now: float | None = None) -> str:
    """The MLflow state of a job from its status file: RUNNING only while there is reason to believe that it lives.

    A job of this host is dead when its process is gone (and its last heartbeat is not fresh: the process may live in
    another container); one of another host when its heartbeat is older than `STALE_S`.
    """
    state = str(status.get("status", ""))
    if state in ENDS:
        return ENDS[state]
    if final:
        return "KILLED"
    age = (time.time() if now is None else now) - float(number(status, "heartbeat", "started") or 0.0)
    if abs(age) < 2 * HEARTBEAT_S:
        return "RUNNING"
    here = status.get("host") == socket.gethostname()
    alive = _alive(int(number(status, "pid") or 0)) if here else abs(age) < STALE_S  # a beat to come: the clock was set
    return "RUNNING" if alive else "KILLED"


def parent_state(states: list[str], scored: bool, live: bool) -> str:
    """The state of a parent from those of its children, and whether all its trainings are scored."""
    if "RUNNING" in states:
        return "RUNNING"
    if "FAILED" in states:
        return "FAILED"
    if "KILLED" in states and not live:
        return "KILLED"
    if scored:
        return "FINISHED"
    return "RUNNING" if live else "KILLED"


def _superseded(old: str, new: str, stage: str) -> bool:
    """Whether a run of key `old` is another run than one of key `new`; a parent may gain children."""
    if stage != "method":
        return old != new
    try:
        before, after = json.loads(old or "{}"), json.loads(new)
    except json.JSONDecodeError:
        return True
    return any(name in after and after[name] != key for name, key in before.items())


def _repeats(run: "StoredRun", rows: list[dict[str, Any]], cost: Path) -> bool:
    """Whether rows or costs that the run has already were written again, or taken back, by a job that started anew."""
    digest, spent = run.tags.get("fernas.rows_digest"), run.tags.get("fernas.cost")
    if digest is not None and digest != _digest_of(rows[: int(run.tags.get("fernas.rows", "0"))]):
        return True
    return spent is not None and (not cost.is_file() or spent != sha256_file(cost)[:12])


def _rescored(job: Job, run: "StoredRun") -> bool:
    """Whether a parent has scores that were replaced since: those of an earlier training, seen before the new ones."""
    have = json.loads(run.tags.get("fernas.scores", "{}"))
    for seed, folder in job.trainings:
        with contextlib.suppress(FileNotFoundError):  # Snakemake removes it before its job runs again
            if str(seed) in have and sha256_file(folder / "scores.json")[:12] != have[str(seed)]:
                return True
    return False


def _digest_of(rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()[:16]


def _metrics(row: dict[str, Any]) -> list[tuple[str, float, int, int]]:
    """A row of metrics.jsonl as metrics; a fold of a shard has curves of its own over its epochs."""
    step, when, prefix = int(row.get("step", 0)), _ms(float(row.get("time", 0.0))), ""
    if is_number(row.get("fold")):
        phase = f"{row['phase']}/" if isinstance(row.get("phase"), str) else ""
        prefix, step = f"fold{int(row['fold'])}/{phase}", int(row.get("epoch", step))
    return [
        (prefix + _metric_name(name), float(value), when, step)
        for name, value in row.items()
        if name not in ("step", "time", "fold", "epoch") and is_number(value)
    ]


def _metric_name(name: str) -> str:
    """A name as MLflow takes it: its characters, and nothing that leads to another folder when it is read as a path."""
    clean = re.sub(r"[^\w\-. /:]", "_", name)
    return "/".join(part for part in clean.split("/") if part.strip(" .")) or "_"


def _params(status: dict[str, Any]) -> dict[str, str]:
    """What a job's status says of its parameters, flat: nested names joined by dots, long values cut."""
    flat: dict[str, str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        elif value is not None:
            flat[re.sub(r"[^\w\-. /]", "_", prefix)[:250]] = str(value)[:500]

    add("", {key: value for key, value in status.items() if key not in NOT_PARAMS})
    return {key: value for key, value in flat.items() if value}


def _change(
    metrics: list[tuple[str, float, int, int]] | None = None,
    params: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> "Change":
    from fernas.tracking._mlflow import Change

    return Change(metrics or [], params or {}, tags or {})


def _digests(run: "StoredRun") -> dict[str, str]:
    return dict(json.loads(run.tags.get("fernas.files", "{}")))


def _signature(folder: Path, names: tuple[str, ...]) -> str:
    """What changes when one of the files does."""
    parts = []
    for name in names:
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        parts.append(f"{name}:{stat.st_mtime_ns}:{stat.st_size}")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _time(status: dict[str, Any], name: str) -> float:
    return float(number(status, name, "heartbeat", "started") or time.time())


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
