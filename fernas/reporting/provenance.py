"""Where results come from: versions, hosts, seeds, digests of inputs, run keys; and the data cards and audits."""

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from markupsafe import Markup

from fernas.core.errors import DataError
from fernas.core.io import read_parquet, sha256_file
from fernas.reporting._markdown import to_html
from fernas.reporting.formats import short_count
from fernas.reporting.stored import RENDERED, folders, number, optional_json, stored_runs
from fernas.reporting.table import Column, Table
from fernas.study import Study

PACKAGES = (
    "fernas", "torch", "torchvision", "numpy", "pandas", "scikit-learn", "opencv-python", "dlib-bin", "snakemake",
    "mlflow",
)  # fmt: skip
DIGESTED = ("data/*/manifest.parquet", "data/*/faces.parquet", "tasks/*/*/inputs.npy", "tasks/*/*/folds.*.json")
MAX_JOBS = 1000


@dataclass(frozen=True)
class DataBlock:
    """What the report says of one dataset."""

    name: str
    rendered: bool
    card: Markup
    facts: list[tuple[str, str]]
    problems: list[str]
    classes: list[tuple[str, str]]


@dataclass(frozen=True)
class Provenance:
    """Where all of it comes from."""

    versions: list[tuple[str, str]]
    machines: list[tuple[str, str]]
    digests: pd.DataFrame
    jobs: pd.DataFrame
    left_out: int
    config: str
    last: float | None


def data_blocks(results: Path) -> list[DataBlock]:
    """One block per dataset under `results/data`."""
    return [_data_block(folder) for folder in folders(results / "data")]


def _data_block(folder: Path) -> DataBlock:
    audit = optional_json(folder / "audit.json")
    card = folder / "card.md"
    facts = [(name, str(audit[name])) for name in ("samples", "subjects") if audit.get(name) is not None]
    facts += [(f"faces detected by {name}", str(count)) for name, count in _detectors(folder / "faces.parquet")]
    duplicates = audit.get("duplicates") or {}
    for kind in ("exact", "near"):
        if duplicates.get(kind):
            facts.append((f"{kind} duplicates", f"{len(duplicates[kind])} pairs or groups"))
    if audit.get("unreadable"):
        facts.append(("unreadable images", str(len(audit["unreadable"]))))
    classes = audit.get("classes")
    return DataBlock(
        name=folder.name.removesuffix(RENDERED),
        rendered=folder.name.endswith(RENDERED),
        card=to_html(card.read_text(encoding="utf-8")) if card.is_file() else Markup(""),
        facts=facts,
        problems=[str(problem) for problem in audit.get("problems") or []],
        classes=[(str(name), str(count)) for name, count in classes.items()] if isinstance(classes, dict) else [],
    )


def _detectors(path: Path) -> list[tuple[str, int]]:
    try:
        faces = read_parquet(path)
    except DataError:
        return []
    if "detector" not in faces:
        return []
    names = faces["detector"].where(faces["status"] != "no_face", "nobody (centre crop)")
    return [(str(name), int(count)) for name, count in names.value_counts().items()]


def provenance(results: Path, study: Study | None) -> Provenance:
    """Everything that is known of how the results came about."""
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
    return Provenance(
        versions=[("Python", platform.python_version()), *_versions(), ("machine of the report", platform.platform())],
        machines=[(name, ", ".join(sorted(values))) for name, values in machines.items() if values],
        digests=pd.DataFrame(
            [
                {"path": path.relative_to(results).as_posix(), "digest": sha256_file(path)[:16]}
                for pattern in DIGESTED
                for path in sorted(results.glob(pattern))
            ],
            columns=[column.key for column in DIGESTS],
        ),
        jobs=pd.DataFrame(rows[:MAX_JOBS], columns=[column.key for column in JOBS]),
        left_out=max(0, len(rows) - MAX_JOBS),
        config=_config_text(study),
        last=max(last, default=None),
    )


def _config_text(study: Study | None) -> str:
    if study is None:
        return ""
    return yaml.safe_dump(study.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


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


def jobs_table(origin: Provenance) -> Table:
    """Every search and every shard of folds."""
    more = f" {origin.left_out} more are left out here." if origin.left_out else ""
    return Table("jobs", f"Every search and every shard of folds.{more}", JOBS, origin.jobs)


def digests_table(origin: Provenance) -> Table:
    """What the study read."""
    return Table("digests", "What the study read: data, faces, inputs and folds.", DIGESTS, origin.digests)


def _versions() -> list[tuple[str, str]]:
    versions = []
    for name in PACKAGES:
        try:
            versions.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return versions
