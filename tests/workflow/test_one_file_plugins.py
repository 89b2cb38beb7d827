"""A dataset, a method, a metric, a protocol and a view, each as one file: the promise of CONTRIBUTING.md."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fernas.core.images import write_image
from fernas.core.io import read_json, read_npy, read_parquet
from tests.fixtures.workflow_folder import ROOT, copy_workflow

pytestmark = pytest.mark.e2e
SOURCES = ROOT / "tests/fixtures/one_file_plugins"
PLUGINS = {
    "datasets": "stripes",
    "protocols": "even_odd",
    "metrics": "worst_recall",
    "views": "negative",
    "search": "by_brightness",
}
STUDY = {
    "results": "results",
    "tracking": {"enabled": False},
    "datasets": {"stripes": {"source": "real", "root": "stripes"}},
    "views": {"negative": {"kind": "negative", "size": 24}},
    "tasks": {"stripes-2": {"dataset": "stripes", "classes": ["across", "down"], "view": "negative"}},
    "protocols": {"halves": {"kind": "even_odd", "groups": 2, "shards": 1}},
    "methods": {
        "brightness": {
            "search": "by_brightness",
            "space": "emonas",
            "network": {"cells": 3, "channels": 4},
            "recipe_options": {"epochs": 2, "batch": 8},
        }
    },
    "study": [{"task": "stripes-2", "protocol": "halves", "methods": ["brightness"]}],
}


def write_stripes(root: Path, subjects: int = 8, each: int = 3) -> None:
    """Squares of 32 px with noisy stripes across or down."""
    rng = np.random.default_rng(0)
    for subject in range(subjects):
        folder = root / f"s{subject:02d}"
        folder.mkdir(parents=True)
        for number in range(each):
            across = np.repeat((np.arange(32) // 4 % 2 * 120)[:, None], 32, 1)
            for label, stripes in (("across", across), ("down", across.T)):
                image = (stripes[..., None] + rng.integers(0, 100, (32, 32, 3))).astype(np.uint8)
                write_image(folder / f"{label}_{number:02d}.png", image)


def test_five_plugins_of_one_file_each_run_a_study(tmp_path: Path) -> None:
    workflow = copy_workflow(tmp_path, package=True)
    for kind, name in PLUGINS.items():
        shutil.copy(SOURCES / f"{kind}.py", tmp_path / "fernas" / kind / f"{name}.py")
    write_stripes(tmp_path / "stripes")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))

    result = workflow.snakemake("--configfile", "study.yaml")
    assert result.status == 0, result.text[-6000:]

    results = tmp_path / "results"
    assert len(read_parquet(results / "data/stripes/manifest.parquet")) == 48
    assert read_npy(results / "tasks/stripes-2/negative/inputs.npy").shape == (48, 24, 24, 3)
    folds = read_json(results / "tasks/stripes-2/halves/folds.train.json")["folds"]
    assert [fold["name"] for fold in folds] == ["even", "odd"]
    assert (
        read_json(next(results.glob("runs/stripes-2/halves/brightness/*/s0/g0/architecture.json")))["space"] == "emonas"
    )
    scores = read_json(next(results.glob("runs/stripes-2/halves/brightness/*/s0/t0/scores.json")))
    assert 0 <= scores["worst_recall"] <= scores["uar"]
    row = pd.read_csv(results / "comparison.csv").iloc[0]
    assert row["method"] == "brightness" and row["worst_recall"] == pytest.approx(scores["worst_recall"])
    assert "worst recall" in (results / "report/index.html").read_text(encoding="utf-8")
