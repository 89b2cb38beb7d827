"""fernas from Python: a prepared task as arrays and folds, and the example method of the documentation."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import fernas
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import write_json, write_npy, write_parquet
from fernas.protocols.folds import SplitSpec, make_folds
from fernas.scoring.read import read_predictions
from fernas.scoring.scores import score_file

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
METHOD = {"search": "darts_first", "space": "emonas", "network": {"cells": 3, "channels": 4, "stem": "stride2"}}
STUDY = {
    "results": "results",
    "datasets": {"ckplus": {"source": "rendered"}},
    "views": {"still": {"kind": "still", "size": 32}},
    "tasks": {"ckplus-7n": {"dataset": "ckplus", "classes": CLASSES, "view": "still"}},
    "protocols": {"subject4": {"kind": "subject_kfold", "options": {"folds": 4}, "groups": 2}},
    "methods": {"emonas": METHOD | {"search_options": {"epochs": 2, "batch": 8}}, "small_cnn": {
        "search": "fixed", "search_options": {"name": "small_cnn"}}},
    "study": [{"task": "ckplus-7n", "protocol": "subject4", "methods": ["emonas", "small_cnn"]}],
}  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and a task of 12 subjects whose classes differ in where the image is bright."""
    rng = np.random.default_rng(0)
    subjects, each = 12, 14
    labels = np.tile(np.arange(7), subjects * each // 7)
    images = rng.integers(0, 60, (len(labels), 32, 32, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 8] += 150
    who = np.repeat([f"ckplus/S{p:03d}" for p in range(subjects)], each)
    table = pd.DataFrame({"sample_id": [f"{s}/{k:03d}" for k, s in enumerate(who)], "subject": who})
    table = table.assign(
        row=np.arange(len(labels)), dataset="ckplus", label=[CLASSES[k] for k in labels], class_index=labels,
        group=table["sample_id"], split=None, face_status="ok",
    )  # fmt: skip
    train, test = make_folds(table, SplitSpec("subject_kfold", {"folds": 4}, seed=1, name="subject4", classes=CLASSES))
    folder = tmp_path / "results/tasks/ckplus-7n-rendered"
    write_npy(folder / "still/inputs.npy", images)
    write_parquet(folder / "still/inputs.parquet", table.drop(columns=["group", "split"]))
    write_json(folder / "subject4/folds.train.json", train)
    write_json(folder / "subject4/folds.test.json", test)
    write_json(folder / "subject4/audit.json", {"ok": True})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_task_is_arrays_and_folds_without_test_labels(prepared: Path) -> None:
    task = fernas.load_task("ckplus-7n")
    assert task.classes == CLASSES and task.input_shape == (3, 32, 32) and task.rendered
    assert len(task.folds) == 4 and len(task.fold_groups) == 2 and sum(len(f.test) for f in task.folds) == 168
    for fold in task.folds:
        subjects = set(fold.train.subjects) | set(fold.inner_validation.subjects)
        assert len(subjects) == 9 and fold.test.dtype == np.uint8 and fold.test.shape[1:] == (32, 32, 3)
        assert not set(fold.weights.subjects) & set(fold.selection.subjects)
        assert not hasattr(fold.test, "labels")
    for group in task.fold_groups:
        assert {task.folds[k].fold_group for k in group.folds} == {group.number}
        searched = set(group.weights.subjects + group.selection.subjects)
        for k in group.folds:
            tested = {name.rpartition("/")[0] for name in task._test_ids[k]}
            assert not searched & tested


def test_the_budget_is_that_of_a_method_of_the_study(prepared: Path) -> None:
    task = fernas.load_task("ckplus-7n")
    meter = task.budget("emonas")
    assert meter.limit_macs is not None and meter.limit_macs > 1e6 and not meter.exhausted
    meter.spend(meter.limit_macs, 1)
    assert meter.exhausted
    assert task.budget().remaining == float("inf") and task.budget(5.0).limit_macs == 5
    with pytest.raises(ConfigError, match="did you mean 'emonas'"):
        task.budget("emonass")


def test_predictions_of_another_shape_are_refused_by_fold(prepared: Path) -> None:
    task = fernas.load_task("ckplus-7n")
    good = {f.fold: np.full((len(f.test), 7), 1 / 7) for f in task.folds}
    assert task.score(good)["uar"] == pytest.approx(1 / 7)
    with pytest.raises(ContractError, match="fold 2: got an array of shape"):
        task.predictions(good | {2: good[2][:-1]})
    with pytest.raises(ContractError, match="fold 3"):
        task.predictions({k: v for k, v in good.items() if k != 3})


def test_an_unknown_name_or_a_missing_file_is_named(prepared: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ckplus-7n'"):
        fernas.load_task("ckplus-7m")
    with pytest.raises(ConfigError, match="view"):
        fernas.load_task("ckplus-7n", view="stil")
    (prepared / "results/tasks/ckplus-7n-rendered/subject4/audit.json").unlink()
    with pytest.raises(DataError, match="snakemake --cores all .*inputs.npy .*audit.json"):
        fernas.load_task("ckplus-7n")


def test_the_example_method_of_the_documentation(prepared: Path) -> None:
    example = ROOT / "docs/example_method.py"
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 40
    # in a process of its own: here fernas.api is already imported
    subprocess.run([sys.executable, str(example)], cwd=prepared, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    assert score_file(read_predictions(prepared / "nearest_mean.csv"), "subject_kfold")["uar"] > 0.6
