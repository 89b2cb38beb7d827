"""Data cards: what a dataset holds, where it comes from, what was left out and why; made of manifest and audit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fernas.datasets._base import DatasetSpec
from fernas.datasets._image_statistics import METRICS, difference_texts

LISTED = 20


def data_card(
    spec: DatasetSpec, manifest: pd.DataFrame, audit: Mapping[str, Any], faces: pd.DataFrame | None = None
) -> str:
    """The data card of one dataset as markdown.

    Args:
        spec: facts about the dataset.
        manifest: its manifest.
        audit: its audit.
        faces: its faces table, where faces were already detected.
    """
    lines = [f"# {spec.title}" + (" (rendered faces)" if audit.get("rendered") else ""), ""]
    if audit.get("rendered"):
        lines += [
            "**These faces are rendered in the dataset's layout: nothing here says anything about real people.**",
            "",
        ]
    lines += _counts(spec, manifest, audit)
    lines += ["", "## Apex", "", _apex(manifest)]
    if faces is not None:
        lines += ["", "## Faces", "", *_faces(faces)]
    lines += ["", "## Left out", "", *_excluded(audit.get("excluded", {}))]
    lines += ["", "## Duplicates", "", *_duplicates(audit["duplicates"])]
    if audit["image_statistics"]["groups"]:
        lines += ["", "## Splits and classes beside each other", "", *_image_statistics(audit["image_statistics"])]
    if audit.get("sources"):
        lines += ["", "## Read from", "", *[f"- {source}" for source in audit["sources"]]]
    lines += ["", "## Problems", "", *([f"- {problem}" for problem in audit["problems"]] or ["None."])]
    return "\n".join([*lines, "", "## About the dataset", "", *_about(spec)]) + "\n"


def _counts(spec: DatasetSpec, manifest: pd.DataFrame, audit: Mapping[str, Any]) -> list[str]:
    """Tables of samples, classes and official splits beside the expected numbers."""
    expected = audit.get("expected", {})
    lines = _table(
        ("", "here", "expected"),
        [
            ("samples", audit["samples"], expected.get("samples") or sum(expected.get("classes", {}).values()) or "-"),
            ("subjects", audit["subjects"] or "none named", expected.get("subjects") or "-"),
            ("frames per second", _one_of(manifest["fps"]), spec.fps or "-"),
            ("image sizes", ", ".join(f"{size} ({n})" for size, n in audit.get("sizes", {}).items()) or "-", "-"),
            ("frames per sample", _frames(manifest), "-"),
        ],
    )
    lines += ["", "## Classes", ""]
    lines += _table(
        ("class", "here", "expected", "subjects"),
        [
            (name, count, expected.get("classes", {}).get(name, "-"), _subjects(manifest, name))
            for name, count in audit["classes"].items()
        ],
    )
    if audit["splits"]:
        lines += ["", "## Official splits", ""]
        rows = [(name, count, expected.get("splits", {}).get(name, "-")) for name, count in audit["splits"].items()]
        lines += _table(("split", "here", "expected"), rows)
    return lines


def _excluded(excluded: Mapping[str, str]) -> list[str]:
    """The first excluded samples with their reasons."""
    lines = [f"- `{name}`: {why}" for name, why in list(excluded.items())[:LISTED]] or ["Nothing."]
    if len(excluded) > LISTED:
        lines.append(f"- and {len(excluded) - LISTED} more")
    return lines


def _duplicates(duplicates: Mapping[str, Any]) -> list[str]:
    """The numbers of pairs, and those equal images that have different labels."""
    exact, near = len(duplicates["exact"]), duplicates["near_count"]
    lines = [f"{exact} pairs of equal images, {near} pairs of almost equal ones."]
    pairs = duplicates["other_labels"]
    if pairs or duplicates["near_other_labels"]:
        alike = f"{duplicates['near_other_labels']} pairs of almost equal ones"
        lines += ["", f"{len(pairs)} pairs of equal images and {alike} have different labels.", ""]
        lines += [f"- `{one}` {label}, `{two}` {second}" for one, two, label, second in pairs[:LISTED]]
    if len(pairs) > LISTED:
        lines.append(f"- and {len(pairs) - LISTED} more")
    return lines


def _image_statistics(statistics: Mapping[str, Any]) -> list[str]:
    """Medians of each split and class, and which of them differ."""
    composite = len({row["dataset"] for row in statistics["groups"]}) > 1
    rows = [
        (
            f"{row['dataset'] + ', ' if composite else ''}{row['kind']} {row['name']}",
            row["images"],
            *("-" if row[metric] is None else f"{row[metric]:.3g}" for metric in METRICS),
        )
        for row in statistics["groups"]
    ]
    lines = ["Medians of images drawn at random.", "", *_table(("", "images", *METRICS.values()), rows), ""]
    texts = difference_texts(statistics["differences"], composite)
    return lines + ([f"- {text}" for text in texts] or ["None differs much and significantly from the others."])


def _about(spec: DatasetSpec) -> list[str]:
    """Licence, citation and habits."""
    lines = [f"- licence: {spec.licence}", f"- how to get it: {spec.homepage}", f"- cite: {spec.citation}"]
    lines += [f"- frames: {spec.frame_rule}", f"- protocol: {spec.protocol}"]
    if spec.same_people_as:
        lines.append(f"- shares subjects with: {', '.join(spec.same_people_as)}")
    if spec.notes:
        lines += ["", "Not verified without the licensed files:", "", *[f"- {note}" for note in spec.notes]]
    return lines


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def _one_of(values: "pd.Series[Any]") -> str:
    return ", ".join(f"{value:g}" for value in sorted(values.dropna().unique())) or "-"


def _frames(manifest: pd.DataFrame) -> str:
    counts = [len(frames) for frames in manifest.loc[manifest["excluded"].isna(), "frames"]]
    if not counts:
        return "-"
    return f"{min(counts)} to {max(counts)}, mean {sum(counts) / len(counts):.1f}"


def _subjects(manifest: pd.DataFrame, label: str) -> str:
    rows = manifest[(manifest["label"] == label) & manifest["excluded"].isna()]
    return str(rows["subject"].nunique()) if rows["subject"].notna().any() else "-"


def _apex(manifest: pd.DataFrame) -> str:
    sources = Counter(str(source) for source in manifest["apex_source"].dropna())
    words = {"annotated": "annotated", "middle": "the middle frame", "last": "the last frame"}
    return "; ".join(f"{words.get(s, s)}: {n}" for s, n in sources.most_common()) + "." if sources else "Still images."


def _faces(faces: pd.DataFrame) -> list[str]:
    detectors = Counter(str(name) for name in faces["detector"])
    with_face = int(faces["status"].isin(["ok", "shipped"]).sum())
    return [
        f"{with_face} of {len(faces)} samples with a face.",
        "",
        *_table(("detector", "samples"), detectors.most_common()),
    ]
