"""Which labels of a batch the recipe `relabel` replaces, and the account of these swaps.

The keys of the account are those of relabel.jsonl, which the report reads.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fernas.learn.arrays import ArrayPart

if TYPE_CHECKING:
    from fernas.training.relabel import RelabelConfig

NEVER = -1
ARRAYS = ("predictions", "targets", "tied", "last", "last_predictions", "times", "first", "latest")  # of `Swaps`


@dataclass(frozen=True)
class Rule:
    """When a prediction k replaces a label y. `admitted[y, k]` is bool (K, K); no label replaces itself."""

    strategy: int
    margin: float
    admitted: Tensor

    def near_ties(self, q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, K), labels (B,) -> predictions (B,), and where another class leads by < margin."""
        top, predictions = q.max(1)
        gap = top - q.gather(1, labels[:, None])[:, 0]
        ties = (gap < self.margin) & (predictions != labels)
        return predictions, ties & (gap > 0) if self.strategy == 2 else ties

    def __call__(self, q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities (B, K), labels (B,) -> (new labels, predictions, near ties), all (B,)."""
        predictions, ties = self.near_ties(q, labels)
        swap = ties & self.admitted.to(labels.device)[labels, predictions]
        return torch.where(swap, predictions, labels), predictions, ties


def make_rule(options: "RelabelConfig", classes: list[str]) -> Rule:
    """The rule of the options; reads FES for strategy 2."""
    count = len(classes)
    admitted = torch.ones(count, count, dtype=torch.bool)
    if options.strategy == 0:
        admitted = torch.zeros(count, count, dtype=torch.bool)
    elif options.strategy == 2:
        from fernas.learn.fes import read_fes

        admitted = torch.from_numpy(read_fes(options.fes, classes) > options.fes_threshold)
    return Rule(options.strategy, options.margin, admitted)


class Swaps:
    """Replaces labels batch by batch and keeps account: per epoch and pair, and per sample."""

    def __init__(self, part: ArrayPart, classes: list[str], rule: Rule) -> None:
        self.part, self.classes, self.rule = part, classes, rule
        count = len(part)
        self.predictions = np.full(count, NEVER)  # of the running epoch
        self.targets = np.full(count, NEVER)  # replaced labels of the running epoch
        self.tied = np.zeros(count, bool)
        self.last = np.full(count, NEVER)  # replaced labels of the epoch before
        self.last_predictions = np.full(count, NEVER)
        self.times = np.zeros((count, len(classes)), np.int64)
        self.first, self.latest = np.full(count, NEVER), np.full(count, NEVER)
        self.rows: list[dict[str, Any]] = []

    def relabel(self, logits: Tensor, labels: Tensor, epoch: int, positions: np.ndarray) -> Tensor:
        """The labels to learn from; those stored in the phase's first epoch."""
        new, predictions, ties = self.rule(torch.softmax(logits.float(), 1), labels)
        if epoch == 0:  # published: the phase's first epoch replaces nothing
            new = labels
        changed = (new != labels).cpu().numpy()
        self.predictions[positions] = predictions.cpu().numpy()
        self.targets[positions] = np.where(changed, new.cpu().numpy(), NEVER)
        self.tied[positions] = ties.cpu().numpy()
        return new

    def close(self, epoch: int) -> dict[str, Any]:
        """End an epoch: its counts, and the present predictions of the samples swapped in the epoch before."""
        labels, swapped = self.part.labels, self.targets != NEVER
        pairs: dict[str, int] = {}
        for y, k in zip(labels[swapped], self.targets[swapped], strict=True):
            name = f"{self.classes[y]}>{self.classes[k]}"
            pairs[name] = pairs.get(name, 0) + 1
        before = self.last != NEVER
        row = {
            "kind": "epoch",
            "epoch": epoch,
            "samples": len(labels),
            "near_ties": int(self.tied.sum()),
            "swaps": int(swapped.sum()),
            "pairs": dict(sorted(pairs.items())),
            "swapped_before": int(before.sum()),
            "now_swapped_again": int((before & swapped & (self.targets == self.last)).sum()),
            "now_answered_as_swapped": int((before & (self.predictions == self.last)).sum()),
            "now_answered_as_stored": int((before & (self.predictions == labels)).sum()),
        }
        self.rows.append(row)
        self.times[swapped, self.targets[swapped]] += 1
        self.first[swapped & (self.first == NEVER)] = epoch
        self.latest[swapped] = epoch
        self.last, self.last_predictions = self.targets, self.predictions
        self.targets, self.predictions = np.full(len(labels), NEVER), np.full(len(labels), NEVER)
        self.tied = np.zeros(len(labels), bool)
        return row

    def report(self, epochs: int) -> list[dict[str, Any]]:
        """All epochs' rows, then one row per sample that was ever swapped, with its final prediction."""
        return [
            *self.rows,
            *(self._sample(position, epochs) for position in np.flatnonzero(self.times.sum(1)).tolist()),
        ]

    def _sample(self, position: int, epochs: int) -> dict[str, Any]:
        label = int(self.part.labels[position])
        counts = {self.classes[k]: int(n) for k, n in enumerate(self.times[position]) if n}
        prediction = int(self.last_predictions[position])
        most_swapped_to = int(self.times[position].argmax())
        outcome = "as stored" if prediction == label else "as swapped" if prediction == most_swapped_to else "another"
        return {
            "kind": "sample",
            "sample_id": self.part.ids[position],
            "label": self.classes[label],
            "swapped_to": counts,
            "first": int(self.first[position]),
            "last": int(self.latest[position]),
            "in_last_epoch": int(self.latest[position]) == epochs - 1,
            "answer": self.classes[prediction],
            "answered": outcome,
        }

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs, between epochs or within one."""
        arrays = {name: torch.from_numpy(getattr(self, name).copy()) for name in ARRAYS}
        return {**arrays, "rows": list(self.rows)}

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        for name in ARRAYS:
            setattr(self, name, state[name].numpy().copy())
        self.rows = list(state["rows"])
