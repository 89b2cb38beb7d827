"""Where results come from: versions, hosts, seeds, digests of inputs, run keys; and the data cards and audits."""

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from fernas.core.config import StudyConfig
from fernas.core.errors import DataError
from fernas.core.io import read_parquet, sha256_file
from fernas.reporting._markdown import to_html
from fernas.reporting.formats import short_count
from fernas.reporting.tree import RENDERED_SUFFIX, folders, method_runs, number, optional_json

PACKAGES = (
    "fernas", "torch", "torchvision", "numpy", "pandas", "scikit-learn", "opencv-python", "dlib-bin", "snakemake",
    "mlflow",
)  # fmt: skip
DIGESTED = ("data/*/manifest.parquet", "data/*/faces.parquet", "tasks/*/*/inputs.npy", "tasks/*/*/folds.*.json")
MAX_RUNS = 1000


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
    digests: list[tuple[str, str]]
    runs: list[tuple[str, ...]]
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
    facts += [(f"faces found by {name}", str(count)) for name, count in _detectors(folder / "faces.parquet")]
    duplicates = audit.get("duplicates") or {}
    for kind in ("exact", "near"):
        if duplicates.get(kind):
            facts.append((f"{kind} duplicates", f"{len(duplicates[kind])} pairs or groups"))
    if audit.get("unreadable"):
        facts.append(("unreadable images", str(len(audit["unreadable"]))))
    classes = audit.get("classes")
    return DataBlock(
        name=folder.name.removesuffix(RENDERED_SUFFIX),
        rendered=folder.name.endswith(RENDERED_SUFFIX),
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


def provenance(results: Path, config: StudyConfig | None) -> Provenance:
    """Everything that is known of how the results came about."""
    machines: dict[str, set[str]] = {"host": set(), "device": set(), "threads": set(), "torch of the jobs": set()}
    rows: list[tuple[str, ...]] = []
    last: list[float] = []
    for run in method_runs(results):
        jobs = [s.folder for s in run.searches] + [j.folder for t in run.trainings for j in t.shards]
        for folder in jobs:
            status, cost = optional_json(folder / "status.json"), optional_json(folder / "cost.json")
            if not status:
                continue
            _note(machines, "host", status.get("host"))
            _note(machines, "device", cost.get("device_name") or cost.get("device"))
            _note(machines, "threads", cost.get("threads"))
            _note(machines, "torch of the jobs", cost.get("torch"))
            if (ended := number(status, "ended")) is not None:
                last.append(ended)
            rows.append(_job(folder.relative_to(results / "runs").as_posix(), status, cost))
    return Provenance(
        versions=[("Python", platform.python_version()), *_versions(), ("machine of the report", platform.platform())],
        machines=[(name, ", ".join(sorted(values))) for name, values in machines.items() if values],
        digests=[
            (path.relative_to(results).as_posix(), sha256_file(path)[:16])
            for pattern in DIGESTED
            for path in sorted(results.glob(pattern))
        ],
        runs=rows[:MAX_RUNS],
        left_out=max(0, len(rows) - MAX_RUNS),
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True) if config else "",
        last=max(last, default=None),
    )


def _note(found: dict[str, set[str]], name: str, value: Any) -> None:
    if value is not None:
        found[name].add(str(value))


def _job(path: str, status: dict[str, Any], cost: dict[str, Any]) -> tuple[str, ...]:
    def count(name: str) -> str:
        return short_count(number(cost, name))

    return (
        path, str(status.get("status", "")), str(status.get("run_key", "")), str(status.get("seed", "")),
        count("wall_s"), count("core_s"), count("peak_rss_mib"), count("macs"),
    )  # fmt: skip


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found
