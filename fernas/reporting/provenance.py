"""Where results come from: versions, hosts, seeds, digests of inputs, run keys; and the data cards and audits."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fernas.core.errors import DataError
from fernas.core.io import read_parquet, sha256_file
from fernas.reporting._markdown import to_html
from fernas.reporting.formats import short_count
from fernas.reporting.stored import folders, number, optional_json, stored_runs
from fernas.reporting.table import Column, Table
from fernas.study import ResultsLayout, Study
from fernas.study.layout import RENDERED, DatasetFolder, plain_name

PACKAGES = (
    "fernas", "torch", "torchvision", "numpy", "pandas", "scikit-learn", "opencv-python", "dlib-bin", "snakemake",
    "mlflow",
)  # fmt: skip
DIGESTED = ("data/*/manifest.parquet", "data/*/faces.parquet", "tasks/*/*/inputs.npy", "tasks/*/*/folds.*.json")
MAX_JOBS = 1000


JOBS = (
    Column("path", "job", style="key"),
    Column("status", style="name"),
    Column("run_key", "run key", style="key"),
    Column("seed"),
    Column("wall_s", "seconds", short_count),
    Column("core_s", "core-s", short_count),
    Column("peak_rss_mib", "peak MiB", short_count),
    Column("macs", "MACs", short_count),
)
DIGESTS = (Column("path", "file", style="key"), Column("digest", "sha256, first 16", style="key"))


def data_blocks(results: Path) -> list[dict[str, Any]]:
    """What the report says of each dataset under `results/data`: its card, counts and classes as texts, problems."""
    return [_data_block(DatasetFolder(folder)) for folder in folders(ResultsLayout(results).all_data)]


def _data_block(folder: DatasetFolder) -> dict[str, Any]:
    audit = optional_json(folder.audit)
    facts = [(name, str(audit[name])) for name in ("samples", "subjects") if audit.get(name) is not None]
    facts += [(f"faces detected by {name}", str(count)) for name, count in _detectors(folder.faces)]
    duplicates = audit.get("duplicates") or {}
    for kind in ("exact", "near"):
        if duplicates.get(kind):
            facts.append((f"{kind} duplicates", f"{len(duplicates[kind])} pairs or groups"))
    if audit.get("unreadable"):
        facts.append(("unreadable images", str(len(audit["unreadable"]))))
    classes = audit.get("classes")
    return {
        "name": plain_name(folder.path.name),
        "rendered": folder.path.name.endswith(RENDERED),
        "card": to_html(folder.card.read_text(encoding="utf-8")) if folder.card.is_file() else "",
        "facts": facts,
        "problems": audit.get("problems") or [],
        "classes": list(classes.items()) if isinstance(classes, dict) else [],
    }


def _detectors(path: Path) -> list[tuple[str, int]]:
    try:
        faces = read_parquet(path)
    except DataError:
        return []
    if "detector" not in faces:
        return []
    names = faces["detector"].where(faces["status"] != "no_face", "nobody (centre crop)")
    return [(str(name), int(count)) for name, count in names.value_counts().items()]


def provenance(results: Path, study: Study) -> dict[str, Any]:
    """How the results came about.

    Returns:
        `machines` and `versions` (name, text), the tables `jobs` and `digests`, the `config` as yaml, and `last`, when
        the last job ended (seconds since 1970; None before).
    """
    machines: dict[str, set[str]] = {"host": set(), "device": set(), "threads": set(), "torch of the jobs": set()}
    rows: list[dict[str, Any]] = []
    last: list[float] = []
    for run in stored_runs(results):
        for folder in [*(search.folder for search in run.searches), *run.shards]:
            status, cost = optional_json(folder / "status.json"), optional_json(folder / "cost.json")
            if not status:
                continue
            for name, value in (
                ("host", status.get("host")),
                ("device", cost.get("device_name") or cost.get("device")),
                ("threads", cost.get("threads")),
                ("torch of the jobs", cost.get("torch")),
            ):
                machines[name] |= set() if value is None else {str(value)}
            if (ended := number(status, "ended")) is not None:
                last.append(ended)
            job: dict[str, Any] = {"path": folder.relative_to(results / "runs").as_posix()}
            job |= {name: status.get(name) for name in ("status", "run_key", "seed")}
            rows.append(job | {name: number(cost, name) for name in ("wall_s", "core_s", "peak_rss_mib", "macs")})
    files = [(path, path.relative_to(results).as_posix()) for glob in DIGESTED for path in sorted(results.glob(glob))]
    digests = [{"path": name, "digest": sha256_file(path)[:16]} for path, name in files]
    return {
        "versions": [
            ("Python", platform.python_version()),
            *_versions(),
            ("machine of the report", platform.platform()),
        ],
        "machines": [(name, ", ".join(sorted(values))) for name, values in machines.items() if values],
        "jobs": _table("jobs", f"Every search and every shard of folds.{_more(len(rows))}", JOBS, rows[:MAX_JOBS]),
        "digests": _table("digests", "What the study read: data, faces, inputs and folds.", DIGESTS, digests),
        "config": yaml.safe_dump(study.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        "last": max(last, default=None),
    }


def _more(jobs: int) -> str:
    return f" {jobs - MAX_JOBS} more are left out here." if jobs > MAX_JOBS else ""


def _table(name: str, caption: str, columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> Table:
    return Table(name, caption, columns, pd.DataFrame(rows, columns=[column.key for column in columns]))


def _versions() -> list[tuple[str, str]]:
    versions = []
    for name in PACKAGES:
        try:
            versions.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return versions
