"""Captions of a task's tables: how many subjects of how many, whether the faces are synthetic, what the split is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.reporting.formats import records_of, task_groups
from fernas.reporting.stored import RENDERED_NOTE, folds_document
from fernas.study import Study

Captions = Mapping[tuple[str, str], str]
SPLITS_BY_DATASET = ("cross_dataset", "leave_one_dataset_out")


def captions(results: Path, frame: pd.DataFrame, study: Study) -> dict[tuple[str, str], str]:
    """(task, protocol) -> caption."""
    texts = {}
    for task, protocol, block in task_groups(frame):
        first = records_of(block)[0]
        folds = folds_document(results, first)
        official = official_subjects(str(first["dataset"]), study)
        text = subject_caption(official, subject_count(folds), bool(first["rendered"]))
        # A reader must know of a split that it copies a published one that leaks, or which datasets it splits.
        notable = folds.get("replica") or folds.get("kind") in SPLITS_BY_DATASET
        note = str(folds.get("note") or "") if notable else ""
        texts[(task, protocol)] = "; ".join(filter(None, [text, note]))
    return texts


def subject_count(folds: Mapping[str, Any]) -> int | None:
    """How many subjects a task has, from its fold file."""
    table = folds.get("table")
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


def official_subjects(dataset: str, study: Study) -> int | None:
    """The number of subjects of the published dataset, where its adapter states it.

    A dataset of the config may have a name of its own and name its adapter, so the study resolves it.
    """
    spec = study.datasets[dataset].spec
    return None if spec is None else spec.subjects
