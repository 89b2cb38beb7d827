"""What `fernas check-data` does: manifest and audit of a real dataset in one go, without a workflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fernas.core.errors import DataError
from fernas.datasets._rows import Problems
from fernas.datasets.adapters import adapter_of
from fernas.datasets.audit import audit_dataset
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest, merge_manifests


def check_data(name: str, root: Path | str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The audit of the dataset at `root`; files that cannot be read are a fatal finding with its reason.

    A composite is read from the folders of its parts below `root` (named like the datasets).

    Raises:
        ConfigError: unknown dataset or option.
    """
    adapter = adapter_of(name)
    path = Path(root)
    try:
        if not path.exists():
            raise DataError(f"{path}: no such folder, expected the root of {adapter.spec.title}")
        if adapter.spec.parts:
            roots = {part: part_root(path, part) for part in adapter.spec.parts}
            tables = {part: build_manifest(part, folder) for part, folder in roots.items()}
            table = merge_manifests(name, tables, adapter.options_at(path, options))
            # the composite's own problems come last, those of its parts explain them
            of_parts = [problem for part in tables.values() for problem in part.attrs["problems"]]
            table.attrs["problems"] = Problems([*of_parts, *table.attrs["problems"]])
        else:
            roots = {name: path}
            table = build_manifest(name, path, options)
    except DataError as error:
        return unusable(name, str(error))
    return audit_dataset(adapter.spec, table, FrameReader(roots))


def found_and_expected(findings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The counts beside the published or the rendered ones: one row per count, for a table."""
    expected = findings["expected"]
    word = "rendered" if findings["rendered"] else "published"
    classes, splits = expected.get("classes") or {}, expected.get("splits") or {}
    all_samples = expected.get("samples") or sum(classes.values()) or None
    rows = [("samples", findings["samples"], all_samples), ("subjects", findings["subjects"], expected.get("subjects"))]
    for key, singular, published in (("classes", "class", classes), ("splits", "split", splits)):
        names = dict.fromkeys([*findings[key], *published])
        rows += [(f"{singular} {name}", findings[key].get(name, 0), published.get(name)) for name in names]
    sizes = sorted(sum(counts.values()) for counts in findings["per_subject"].values())
    table: list[dict[str, Any]] = [
        {"": name, "found": count, word: "-" if number is None else number,
         "differs": "" if number in (None, count) else f"{count - number:+d}"}
        for name, count, number in rows
    ]  # fmt: skip
    if sizes:
        table.append({"": "samples per subject", "found": f"{sizes[0]} to {sizes[-1]}", word: "-", "differs": ""})
    if findings["excluded"]:
        table.append({"": "excluded", "found": len(findings["excluded"]), word: "-", "differs": ""})
    return table


def unusable(name: str, reason: str) -> dict[str, Any]:
    """The findings about files that cannot be read."""
    return {
        "dataset": name, "samples": 0, "subjects": 0, "classes": {}, "splits": {}, "per_subject": {}, "excluded": {},
        "problems": [reason], "fatal": True, "not_as_published": [], "unreadable": [], "expected": {}, "sizes": {},
        "sources": [],
        "duplicates": {"exact": [], "near": [], "near_count": 0, "other_labels": [], "near_other_labels": 0},
        "image_statistics": {"groups": [], "differences": []}, "rendered": False,
    }  # fmt: skip


def part_root(root: Path, part: str) -> Path:
    """The folder of a part of a composite: called by the dataset's name or title, compared by letters and digits."""
    spellings = {part, "".join(c for c in adapter_of(part).spec.title.lower() if c.isalnum())}
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        word = "".join(c for c in folder.name.lower() if c.isalnum())
        if any(word == spelling or word.startswith(spelling) for spelling in spellings):
            # rendered datasets keep their files one level down, beside truth.json
            dataset = folder / "dataset"
            return dataset if dataset.is_dir() else folder
    raise DataError(f"{root}: no folder of {part}; expected one folder per part, named like the dataset")
