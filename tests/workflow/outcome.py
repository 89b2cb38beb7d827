"""How a study ended, for saying that two ended the same; starting, watching and killing a Snakemake."""

import contextlib
import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil

from fernas.core.io import read_json, read_jsonl, to_json

MEASURED = ("core_s",)  # columns of the comparison that are measured, not computed
SECONDS = ("seconds", "time")
SCRIPT = re.compile(r"\.(?P<rule>[a-z_]+)\.py$")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def outcome(results: Path) -> dict[str, str]:
    """File -> digest of everything that a study computes, without what it measures (seconds, hosts, dates)."""
    found: dict[str, str] = {}
    for pattern in (
        "data/*/manifest.parquet", "data/*/faces.parquet", "data/*/audit.json", "tasks/*/*/inputs.npy",
        "tasks/*/*/inputs.parquet", "tasks/*/*/folds.*.json", "runs/**/predictions.parquet", "runs/**/scores.json",
        "runs/**/architecture.json", "runs/**/cell.svg", "rendered/*/truth.json",
    ):  # fmt: skip
        for path in results.glob(pattern):
            found[str(path.relative_to(results))] = digest(path.read_bytes())
    for path in [*results.glob("runs/**/search.jsonl"), *results.glob("runs/**/training.jsonl")]:
        rows = [{k: v for k, v in row.items() if k not in SECONDS} for row in read_jsonl(path)]
        found[str(path.relative_to(results))] = digest(to_json(rows).encode())
    for path in results.glob("runs/**/status.json"):
        found[str(path.relative_to(results))] = read_json(path)["status"]
    table = pd.read_csv(results / "comparison.csv", dtype=str, keep_default_na=False)
    text = table.drop(columns=[name for name in MEASURED if name in table]).to_csv(index=False)
    found["comparison.csv"] = digest(text.encode())
    return found


def differences(one: dict[str, str], two: dict[str, str]) -> list[str]:
    return [name for name in sorted(set(one) | set(two)) if one.get(name) != two.get(name)]


def store_problems(results: Path) -> list[str]:
    """What is wrong with the mirror: runs left RUNNING, points that stand twice, curves that are not the files'."""
    found = []
    with contextlib.closing(sqlite3.connect(f"file:{results / 'mlflow.db'}?mode=ro", uri=True)) as store:
        live = "from runs r where r.lifecycle_stage = 'active'"
        running = store.execute(f"select r.name {live} and r.status in ('RUNNING', 'SCHEDULED')").fetchall()
        found += [f"RUNNING: {name}" for (name,) in running]
        twice = store.execute(
            "select t.value, m.key, m.step, count(*) from metrics m join runs r on r.run_uuid = m.run_uuid "
            "join tags t on t.run_uuid = r.run_uuid and t.key = 'fernas.path' "
            "where r.lifecycle_stage = 'active' and r.run_uuid not in "
            "(select run_uuid from tags where key = 'fernas.superseded' and value = 'true') "
            "group by m.run_uuid, m.key, m.step having count(*) > 1"
        ).fetchall()
        found += [f"twice: {row}" for row in twice]
        counts = dict(
            store.execute(
                "select t.value, r2.value from tags t join runs r on r.run_uuid = t.run_uuid "
                "join tags r2 on r2.run_uuid = t.run_uuid and r2.key = 'fernas.rows' "
                "where t.key = 'fernas.path' and r.lifecycle_stage = 'active' and r.run_uuid not in "
                "(select run_uuid from tags where key = 'fernas.superseded' and value = 'true')"
            ).fetchall()
        )
    for path in results.glob("runs/**/metrics.jsonl"):
        name = str(path.parent.relative_to(results / "runs"))
        if int(counts.get(name, -1)) != len(read_jsonl(path)):
            found.append(f"rows of {name}: {counts.get(name)} mirrored, {len(read_jsonl(path))} in the file")
    return found


def start(folder: Path, *arguments: str, package: Path | None = None, cores: int = 1) -> subprocess.Popen:
    """A Snakemake in a session of its own; what it says goes to `out.txt`."""
    environment = {**os.environ, "PYTHONPATH": str(package or folder), "COLUMNS": "200"}
    with open(folder / "out.txt", "ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments],
            cwd=folder, env=environment, start_new_session=True, stdout=out, stderr=out,
        )  # fmt: skip


def tree_of(pid: int) -> list[psutil.Process]:
    """A process and all that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def rules_at_work(pid: int) -> list[str]:
    """The rules whose scripts run below a Snakemake."""
    found = []
    for process in tree_of(pid):
        with contextlib.suppress(psutil.Error):
            found += [m["rule"] for word in process.cmdline() if (m := SCRIPT.search(word)) and "scripts" in word]
    return found


def kill_tree(process: subprocess.Popen) -> None:
    """SIGKILL to a process and everything below it, by their ids."""
    for victim in tree_of(process.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.wait()


def wait_for(condition, seconds: float, process: subprocess.Popen | None = None, every: float = 0.05):
    """The first true value of `condition()`, or None when the time is over or the process ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        if process is not None and process.poll() is not None:
            return condition() or None
        time.sleep(every)
    return None
