"""A tiny task for the tests of learning, searching and training: bright bars on noise, as arrays and as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.io import write_json, write_npy, write_parquet
from fernas.learn.arrays import ArrayPart
from fernas.learn.job import JobInputs

CLASSES = ["low", "middle", "high"]


def make_images(count: int, size: int = 16, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (N, size, size, 3) and labels: class k has a bright band in the k-th part of the height."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 120, (count, size, size, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * size // classes : (label + 1) * size // classes] += 130
    return images, labels


def part(count: int = 18, size: int = 16, seed: int = 0) -> ArrayPart:
    return ArrayPart.of(*make_images(count, size, seed))


@dataclass
class TaskFiles:
    """The files of a task, as `run_search`, `run_training` and `run_predict` take them."""

    root: Path

    @property
    def inputs(self) -> Path:
        return self.root / "inputs.npy"

    @property
    def table(self) -> Path:
        return self.root / "inputs.parquet"

    @property
    def folds(self) -> Path:
        return self.root / "folds.train.json"

    @property
    def test_folds(self) -> Path:
        return self.root / "folds.test.json"

    def job(self, out_dir: Path, run_key: str, seed: int, **more: Any) -> JobInputs:
        """A job on this task that writes to `out_dir`; checkpoints in `work` unless `more` says otherwise."""
        files = (self.inputs, self.table, self.folds)
        return JobInputs(*files, out_dir, **{"work_dir": self.root / "work", "run_key": run_key, "seed": seed, **more})


def write_task(root: Path, subjects: int = 8, each: int = 6, size: int = 16, folds: int = 2) -> TaskFiles:
    """A task of `subjects` x `each` images; fold k tests the subjects s with s mod folds = k; a fold group per fold."""
    count = subjects * each
    images, labels = make_images(count, size)
    subject = np.arange(count) // each
    ids = [f"toy/s{s}/{i}" for i, s in enumerate(subject)]
    write_npy(root / "inputs.npy", images)
    table = {
        "row": range(count),
        "sample_id": ids,
        "source_id": ids,
        "subject": [f"toy/s{s}" for s in subject],
        "dataset": "toy",
        "label": [CLASSES[k] for k in labels],
        "class_index": labels,
        "face_status": "ok",
        "nose_x": size / 2.0,
        "nose_y": size / 2.0,
        "excluded": None,
    }
    write_parquet(root / "inputs.parquet", pd.DataFrame(table))

    def parts(subjects: list[int]) -> dict[str, list[str]]:
        cuts = {"weights": subjects[:-2], "selection": subjects[-2:-1], "inner_validation": subjects[-1:]}
        return {name: [ids[i] for i in range(count) if subject[i] in chosen] for name, chosen in cuts.items()}

    train, test = [], []
    for k in range(folds):
        train.append({"fold": k, "name": f"f{k}", "group": k, **parts([s for s in range(subjects) if s % folds != k])})
        test.append({"fold": k, "test": [ids[i] for i in range(count) if subject[i] % folds == k]})
    groups = [{key: value for key, value in fold.items() if key not in ("fold", "name")} for fold in train]
    document = {
        "protocol": "toy",
        "kind": "toy",
        "replica": False,
        "classes": CLASSES,
        "seed": 1,
        "folds": train,
        "groups": [{**group, "folds": [k]} for k, group in enumerate(groups)],
        "whole": parts(list(range(subjects))),
    }
    write_json(root / "folds.train.json", document)
    write_json(root / "folds.test.json", {"protocol": "toy", "folds": test})
    return TaskFiles(root)
