"""From a manifest to the samples of a task: class set, frame rule, rare classes.

The table is made once per task and stored (`results/tasks/<task>/samples.parquet`). Inputs, folds and the audit of the
folds read that file, so that all three speak of the same rows.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.config import TaskConfig
from fernas.core.errors import ConfigError, ContractError, DataError, did_you_mean
from fernas.core.images import natural_key
from fernas.core.io import read_parquet, write_parquet
from fernas.datasets.manifest import typed

COLUMNS = {
    "sample_id": "str", "source_id": "str", "dataset": "str", "subject": "text", "group": "str", "label": "str",
    "class_index": "int", "split": "text", "positions": "object", "sha256": "text",
}  # fmt: skip
ATTRIBUTES = ("classes", "dropped", "excluded", "unused")


def task_samples(manifest: pd.DataFrame, task: TaskConfig) -> pd.DataFrame:
    """The samples of a task, one row per network input, in natural order of their ids.

    A `still` task takes the image (of a clip: its apex); a `peak` task the frames around the apex of each sequence,
    within onset and offset (the last ones where the sequence ends at its apex), and the first frames as neutral where
    neutral is a class (of every sequence, or of a subject's first one only: `neutral_from`); a `clip` task the whole
    clip.

    Returns:
        A table with the columns `COLUMNS`. `source_id` is the manifest row, `group` its sequence, `class_index` (int64)
        counts in `attrs["classes"]`, `positions` holds indices of the row's frames: one, or onset, apex, offset.
        `attrs["classes"]`: the classes that remain, in the task's order. `attrs["dropped"]`: class -> reason.
        `attrs["excluded"]`: number of excluded manifest rows. `attrs["unused"]`: label -> number of manifest rows
        whose label is no class of the task.

    Raises:
        ConfigError: a class or label-map key that the dataset does not know, or a frame rule that does not fit.
        DataError: a rare class under `rare: error`, or fewer than two classes left.
    """
    usable = manifest[manifest["excluded"].isna()]
    mapping = _label_map(usable, task)
    rows: list[dict[str, Any]] = []
    unused: dict[str, int] = {}
    with_neutral: set[str] = set()
    for row in usable.to_dict("records"):
        label = mapping.get(str(row["label"]))
        if label is None:
            # label_map may also name what the file says: a class set can split what the adapter merges
            label = mapping.get(str(row["raw_label"]))
        if label is None:
            unused[str(row["label"])] = unused.get(str(row["label"]), 0) + 1
            continue
        samples = _samples_of({str(key): value for key, value in row.items()}, label, task)
        if task.frames.neutral_from == "subject" and label != "neutral":
            samples = [sample for sample in samples if sample["label"] == label or row["subject"] not in with_neutral]
            # only where a neutral frame remained: a subject's first sequence may be too short to give one
            with_neutral.update({row["subject"]} & {s["subject"] for s in samples if s["label"] == "neutral"})
        rows += samples
    classes, dropped = _sufficient_classes(rows, task)
    index = {name: at for at, name in enumerate(classes)}
    rows = [{**row, "class_index": index[row["label"]]} for row in rows if row["label"] in index]
    rows.sort(key=lambda row: natural_key(row["sample_id"]))
    table = typed(rows, COLUMNS)
    table["class_index"] = table["class_index"].astype("int64")
    table.attrs = {
        "classes": classes, "dropped": dropped, "excluded": int(manifest["excluded"].notna().sum()), "unused": unused,
    }  # fmt: skip
    return table


def write_samples(path: Path | str, samples: pd.DataFrame) -> None:
    """Store the samples of a task as parquet; `attrs` go into the file's metadata."""
    write_parquet(path, samples)


def read_samples(path: Path | str) -> pd.DataFrame:
    """The samples of a task as `task_samples` made them, with their `attrs`.

    Raises:
        DataError: no such file, or no parquet.
        ContractError: a column or an attribute is missing.
    """
    samples = read_parquet(path)
    missing = [name for name in COLUMNS if name not in samples] + [n for n in ATTRIBUTES if n not in samples.attrs]
    if missing:
        raise ContractError(f"{path}: no samples of a task: {', '.join(missing)} missing")
    # parquet gives arrays back where lists were stored, and string columns where objects were
    attributes, index = samples.attrs, samples["class_index"]
    samples["positions"] = [[int(p) for p in row] for row in samples["positions"]]
    samples = samples.astype(object)
    samples["class_index"] = index
    samples.attrs = attributes
    return samples


def with_inputs(samples: pd.DataFrame, inputs: pd.DataFrame) -> pd.DataFrame:
    """The samples that have an input: not excluded for a missing face or a clip of one frame."""
    included = set(inputs.loc[inputs["excluded"].isna(), "sample_id"])
    return samples[samples["sample_id"].isin(included)].reset_index(drop=True)


def _label_map(manifest: pd.DataFrame, task: TaskConfig) -> dict[str, str]:
    """Label of the dataset (or raw label) -> class of the task."""
    classes = list(task.classes)
    mapping = {name: name for name in classes}
    words = {str(v) for v in manifest["label"].unique()} | {str(v) for v in manifest["raw_label"].unique()}
    for raw, label in dict(task.label_map).items():
        if label not in classes:
            hint = did_you_mean(label, classes)
            raise ConfigError(
                f"task on {task.dataset}: label_map.{raw}: {label!r} is no class{hint}; classes: {', '.join(classes)}"
            )
        mapping[raw] = label
    absent = [raw for raw in task.label_map if raw not in words]
    reached = {mapping[word] for word in words if word in mapping}
    if absent and not reached:
        raise ConfigError(
            f"task on {task.dataset}: label_map knows {', '.join(absent)};"
            f" the dataset has {', '.join(sorted(words)[:20])}"
        )
    return mapping


def _samples_of(row: dict[str, Any], label: str, task: TaskConfig) -> list[dict[str, Any]]:
    """The samples of one manifest row under the task's frame rule."""
    kind = task.frames.kind
    if kind == "clip":
        if row["kind"] != "clip":
            raise ConfigError(f"task on {task.dataset}: frames.kind is clip, but {row['sample_id']} is a still image")
        return [_sample(row, label, [int(row["onset"]), int(row["apex"]), int(row["offset"])], None)]
    if row["kind"] == "still":
        return [_sample(row, label, [0], None)]
    if kind == "still":
        return [_sample(row, label, [int(row["apex"])], None)]
    # a short sequence gives fewer neutral frames: no frame may carry two labels
    neutral = min(task.frames.neutral, int(row["apex"]) - int(row["onset"])) if "neutral" in task.classes else 0
    first = int(row["onset"])
    if label == "neutral":
        peaks = peak_positions(row, task.frames.neutral or task.frames.peak, first)
        return [_sample(row, label, [at], at) for at in peaks]
    peaks = peak_positions(row, task.frames.peak, first + neutral)
    neutrals = [_sample(row, "neutral", [at], at) for at in range(first, first + neutral)]
    return neutrals + [_sample(row, label, [at], at) for at in peaks]


def peak_positions(row: Mapping[str, Any], count: int, first: int) -> list[int]:
    """`count` positions in a row around the apex, shifted to fit [first, offset]; fewer where there is no room."""
    apex, last = int(row["apex"]), int(row["offset"])
    count = min(count, last - first + 1)
    start = min(max(apex - (count - 1) // 2, first), last - count + 1)
    return list(range(start, start + count))


def _sample(row: dict[str, Any], label: str, positions: list[int], frame: int | None) -> dict[str, Any]:
    """One row of the table; `frame` is the position that goes into its id, None where a row gives one sample."""
    source = row["sample_id"]
    digest = row["sha256"]
    # the manifest's digest is that of the peak image; other frames of the sequence get one of their own, derived
    if digest is not None and frame is not None and frame != int(row["apex"]):
        digest = hashlib.sha256(f"{digest}@{frame - int(row['apex'])}".encode()).hexdigest()
    return {
        "sample_id": source if frame is None else f"{source}/f{frame:05d}", "source_id": source,
        "dataset": row["dataset"], "subject": row["subject"], "group": row["group"], "label": label,
        "split": row["split"], "positions": positions, "sha256": digest,
    }  # fmt: skip


def _sufficient_classes(rows: list[dict[str, Any]], task: TaskConfig) -> tuple[list[str], dict[str, str]]:
    """The classes with enough subjects and samples, and why the others are left out."""
    dropped: dict[str, str] = {}
    has_subjects = any(row["subject"] is not None for row in rows)
    for name in task.classes:
        members = [row for row in rows if row["label"] == name]
        subjects = len({row["subject"] for row in members})
        reasons = []
        if len(members) < task.min_samples:
            reasons.append(f"{len(members)} samples, needs {task.min_samples}")
        if has_subjects and subjects < task.min_subjects:
            reasons.append(f"{subjects} subjects, needs {task.min_subjects}")
        # even under `keep`, a class without any sample is named
        if reasons and (task.rare != "keep" or not members):
            dropped[name] = "; ".join(reasons)
    details = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
    if dropped and task.rare == "error":
        raise DataError(
            f"task on {task.dataset}: rare classes ({details}); drop them with rare: drop, or lower the minimum"
        )
    left = [name for name in task.classes if task.rare == "keep" or name not in dropped]
    if len(left) < 2:
        raise DataError(
            f"task on {task.dataset}: {len(left)} classes left, expected at least 2 ({details or 'no samples'})"
        )
    return left, dropped
