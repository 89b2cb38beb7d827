"""The truth of a rendered dataset: a sidecar that only tests and the audit read, never the pipeline."""

from collections import Counter
from typing import Any

import numpy as np

from fernas.synth.action_units import Expression
from fernas.synth.landmarks import five_points


class Truth:
    """Collects what a layout writer rendered.

    Sample ids follow the adapters' rule `<dataset>/<subject folder>/<clip>`; positions count the written frames from 0.
    """

    def __init__(self, dataset: str, seed: int) -> None:
        """Start an empty truth."""
        self.dataset, self.seed = dataset, seed
        self.clips: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def add(self, sample_id: str, label: str, **facts: Any) -> dict[str, Any]:
        """Note one labelled sample; facts: subject, raw_label, split, frames, onset, apex, offset, numbers, ..."""
        row = {
            "sample_id": f"{self.dataset}/{sample_id}",
            "label": label,
            **{k: v for k, v in facts.items() if v is not None},
        }
        if "subject" in row:
            row["subject"] = f"{self.dataset}/{row['subject']}"
        self.clips.append(row)
        return row

    def note(self, text: str) -> None:
        """Note in words a planted irregularity, which an adapter must ignore or report."""
        self.notes.append(text)

    def document(self) -> dict[str, Any]:
        """The truth as plain data."""
        subjects = sorted({row["subject"] for row in self.clips if "subject" in row})
        per_subject = {s: _counts(row["label"] for row in self.clips if row.get("subject") == s) for s in subjects}
        return {
            "dataset": self.dataset, "rendered": True, "seed": self.seed, "samples": len(self.clips),
            "subjects": len(subjects), "classes": _counts(row["label"] for row in self.clips),
            "per_subject": per_subject, "splits": _counts(row["split"] for row in self.clips if row.get("split")),
            "clips": self.clips, "notes": self.notes,
        }  # fmt: skip


def _counts(labels: Any) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))


def points_of(landmarks: np.ndarray) -> list[float]:
    """(68, 2) -> ten numbers: left and right eye centre, nose tip, mouth corners; px, one decimal."""
    return [round(float(v), 1) for v in five_points(landmarks).ravel()]


def units_of(expression: Expression) -> str:
    """The action units as a coding file writes them: `4`, `6+12`, `R12+R14`."""
    return "+".join(f"{side}{unit}" for unit, side, _ in expression.coded()) or "0"
