"""Where results lie, as DESIGN and docs promise it to people who read a results folder."""

import os
from pathlib import Path

import pytest

from fernas.study import ResultsLayout
from fernas.study.layout import folder_name, plain_name

LAYOUT = ResultsLayout(Path("results"))
DATASET, TASK = LAYOUT.dataset("ckplus-rendered"), LAYOUT.task("ckplus-7n-rendered")
RUN = LAYOUT.run("ckplus-7n-rendered", "loso", "emonas", "per_group")


@pytest.mark.parametrize(
    ("path", "promised"),
    [
        (DATASET.manifest, "data/ckplus-rendered/manifest.parquet"),
        (DATASET.audit, "data/ckplus-rendered/audit.json"),
        (DATASET.faces, "data/ckplus-rendered/faces.parquet"),
        (DATASET.previews, "data/ckplus-rendered/previews.npy"),
        (DATASET.card, "data/ckplus-rendered/card.md"),
        (TASK.samples, "tasks/ckplus-7n-rendered/samples.parquet"),
        (TASK.inputs("still-rgb48").inputs, "tasks/ckplus-7n-rendered/still-rgb48/inputs.npy"),
        (TASK.inputs("still-rgb48").table, "tasks/ckplus-7n-rendered/still-rgb48/inputs.parquet"),
        (TASK.folds("loso").train, "tasks/ckplus-7n-rendered/loso/folds.train.json"),
        (TASK.folds("loso").test, "tasks/ckplus-7n-rendered/loso/folds.test.json"),
        (TASK.folds("loso").audit, "tasks/ckplus-7n-rendered/loso/audit.json"),
        (RUN.search(0, 1).architecture, "runs/ckplus-7n-rendered/loso/emonas/per_group/s0/g1/architecture.json"),
        (RUN.search(0, 1).history, "runs/ckplus-7n-rendered/loso/emonas/per_group/s0/g1/search.jsonl"),
        (RUN.train(0, 2).predictions, "runs/ckplus-7n-rendered/loso/emonas/per_group/s0/t2/predictions.parquet"),
        (RUN.train(0, 2).scores, "runs/ckplus-7n-rendered/loso/emonas/per_group/s0/t2/scores.json"),
        (RUN.train(0, 2).shard(3).status, "runs/ckplus-7n-rendered/loso/emonas/per_group/s0/t2/shard3/status.json"),
        (LAYOUT.final("ckplus-7n", "loso", "emonas").model, "final/ckplus-7n/loso/emonas/model.safetensors"),
        (LAYOUT.comparison, "comparison.csv"),
        (LAYOUT.report.index, "report/index.html"),
        (LAYOUT.rendered("ckplus").root, "rendered/ckplus/dataset"),
    ],
)
def test_paths_are_those_of_the_data_contracts(path, promised):
    assert path == Path("results") / promised


def test_a_folder_is_a_path():
    assert os.fspath(DATASET) == str(DATASET) == "results/data/ckplus-rendered"
    assert DATASET / "more.json" == Path(DATASET) / "more.json" == DATASET.path / "more.json"


def test_names_of_synthetic_faces_end_so_and_are_given_back():
    assert folder_name("smic-3", True) == "smic-3-rendered" and folder_name("smic-3", False) == "smic-3"
    assert plain_name("smic-3-rendered") == plain_name("smic-3") == "smic-3"
