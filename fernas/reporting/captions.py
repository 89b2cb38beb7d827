"""Captions of a task's tables: how many subjects of how many, whether the faces are synthetic, what the split is."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fernas.core import plugins
from fernas.reporting.formats import task_groups
from fernas.reporting.stored import RENDERED_NOTE, optional_json
from fernas.study import Study
from fernas.study.layout import folder_name

Captions = Mapping[tuple[str, str], str]
SPLITS_BY_DATASET = ("cross_dataset", "leave_one_dataset_out")


def captions(results: Path, frame: pd.DataFrame, study: Study | None) -> dict[tuple[str, str], str]:
    """(task, protocol) -> caption."""
    texts = {}
    for task, protocol, block in task_groups(frame):
        rendered = bool(block["rendered"].any())
        task_dir = folder_name(task, rendered)
        count = subject_count(results, task_dir, protocol)
        text = subject_caption(official_subjects(str(block["dataset"].iloc[0]), study), count, rendered)
        texts[(task, protocol)] = "; ".join(filter(None, [text, protocol_note(results, task_dir, protocol)]))
    return texts


def protocol_note(results: Path, task_dir: str, protocol: str) -> str:
    """What a reader must know of a split: that it copies a published one that leaks, or which datasets it splits."""
    document = optional_json(results / "tasks" / task_dir / protocol / "folds.train.json")
    notable = document.get("replica") or document.get("kind") in SPLITS_BY_DATASET
    return str(document.get("note") or "") if notable else ""


def subject_count(results: Path, task_dir: str, protocol: str) -> int | None:
    """How many subjects a task has, from its fold file."""
    table = optional_json(results / "tasks" / task_dir / protocol / "folds.train.json").get("table")
    values = (value.get("subject") if isinstance(value, dict) else value for value in (table or {}).values())
    return len({str(subject) for subject in values if subject is not None}) or None


def subject_caption(official: int | None, count: int | None, rendered: bool) -> str:
    """For example `12 of 68 subjects, rendered`; synthetic faces are always labelled as such."""
    parts = []
    if count is not None:
        parts.append(f"{count} of {official} subjects" if official else f"{count} subjects")
    if rendered:
        parts.append(f"rendered ({RENDERED_NOTE})")
    return ", ".join(parts)


def official_subjects(dataset: str, study: Study | None) -> int | None:
    """The number of subjects of the published dataset, where its adapter states it.

    A dataset of the config may have a name of its own and name its adapter, so the study resolves it.
    """
    if study is not None and dataset in study.datasets:
        spec = study.datasets[dataset].spec
    else:  # results without their config
        spec = plugins.load("datasets", dataset).spec if dataset in plugins.available("datasets") else None
    return None if spec is None else spec.subjects
