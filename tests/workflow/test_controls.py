"""Controls: a planted leak stops the run by name, a broken dataset is one message, finished stages stay finished."""

import shutil

import numpy as np
import pytest
import yaml

from fernas.core.config import MethodConfig
from fernas.core.io import read_json, read_parquet, write_json, write_parquet
from fernas.core.seeds import rng
from fernas.learn.job import JobInputs
from fernas.scoring.scores import score_predictions
from fernas.training.predict import PredictInputs, run_predict
from fernas.training.run import Searches, TrainSpec, run_training
from tests.fixtures.workflow_folder import Result, Workflow, copy_workflow

pytestmark = pytest.mark.e2e
TINY = ("--configfile", "configs/tiny.yaml")
RESULTS = "results-tiny"
AUDIT = f"{RESULTS}/tasks/ckplus-3-rendered/subject2/audit.json"
DATASET = f"{RESULTS}/rendered/ckplus/dataset"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Workflow:
    """A folder in which the data stages of the tiny study have run."""
    workflow = copy_workflow(tmp_path_factory.mktemp("controls"))
    result = workflow.snakemake(AUDIT, *TINY)
    assert result.status == 0, result.text[-6000:]
    return workflow


@pytest.fixture
def copy(prepared, tmp_path) -> Workflow:
    shutil.copytree(prepared.folder, tmp_path / "copy", symlinks=True)
    return Workflow(tmp_path / "copy")


def refused(result: Result, *parts: str) -> None:
    """The run failed, and what it printed (logs of failed jobs are shown) names what is wrong, without a traceback."""
    assert result.status != 0
    for part in parts:
        assert part in result.text, result.text[-5000:]
    assert "Traceback" not in result.text, result.text[-5000:]


def test_a_planted_subject_on_both_sides_stops_the_run_by_name(copy):
    path = copy.folder / f"{RESULTS}/tasks/ckplus-3-rendered/subject2/folds.train.json"
    document = read_json(path)
    test = read_json(path.with_name("folds.test.json"))
    planted = test["folds"][0]["test"][0]
    document["folds"][0]["weights"].append(planted)
    write_json(path, document)
    subject = "/".join(planted.split("/")[:2])
    refused(copy.snakemake(AUDIT, *TINY), subject)


def test_a_planted_duplicate_across_sides_stops_the_run_by_name(copy):
    table = read_parquet(copy.folder / RESULTS / "data/ckplus-rendered/manifest.parquet")
    folds = read_json(copy.folder / f"{RESULTS}/tasks/ckplus-3-rendered/subject2/folds.test.json")
    subjects = [sorted({"/".join(i.split("/")[:2]) for i in fold["test"]}) for fold in folds["folds"]]
    rows = [table[(table["subject"] == s[0]) & (table["label"] == "happiness")].iloc[0] for s in subjects[:2]]
    root = copy.folder / DATASET
    peaks = [root / row["frames"][int(row["apex"])] for row in rows]
    shutil.copy(peaks[0], peaks[1])
    result = copy.snakemake(AUDIT, "--forcerun", "build_manifest", *TINY)
    refused(result, "duplicate", rows[0]["sample_id"], rows[1]["sample_id"])


def test_fewer_subjects_than_folds(copy):
    path = copy.folder / "configs/tiny.yaml"
    document = yaml.safe_load(path.read_text())
    document["protocols"]["subject2"]["options"]["folds"] = 20
    path.write_text(yaml.safe_dump(document))
    result = copy.snakemake(AUDIT, *TINY)
    refused(result, "20", "8")
    assert result.status == 2  # the user's to mend: not Snakemake's 1


def test_a_truncated_image_is_named(copy):
    image = sorted((copy.folder / DATASET / "cohn-kanade-images").rglob("*.png"))[3]
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])
    result = copy.snakemake(f"{RESULTS}/data/ckplus-rendered/audit.json", "--forcerun", "build_manifest", *TINY)
    found = result.text
    if result.status == 0:
        found = " ".join(read_json(copy.folder / RESULTS / "data/ckplus-rendered/audit.json")["problems"])
    assert image.name in found, found[-3000:]


def test_a_results_folder_that_cannot_be_written_is_one_message(copy, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    path = copy.folder / "configs/tiny.yaml"
    document = yaml.safe_load(path.read_text())
    document["results"] = str(blocked)
    path.write_text(yaml.safe_dump(document))
    result = copy.snakemake(*TINY)
    assert result.status == 2, result.text[-3000:]
    assert str(blocked) in result.text and "Traceback" not in result.text


def test_shuffled_labels_leave_nothing_to_learn(copy):
    """The same images, classes dealt out at random within subjects: UAR within two standard errors of chance."""
    path = copy.folder / RESULTS / "tasks/ckplus-3-rendered/still-rgb24/inputs.parquet"
    folds = path.parent.parent / "subject2" / "folds.train.json"
    table = read_parquet(path)
    generator = rng(1, "shuffle")
    order = np.arange(len(table))
    for rows in table.groupby("subject").indices.values():
        order[rows] = generator.permutation(rows)
    table[["label", "class_index"]] = table[["label", "class_index"]].to_numpy()[order]
    table["class_index"] = table["class_index"].astype("int64")
    write_parquet(path, table)
    out = copy.folder / "shuffled"
    architecture = out / "g0" / "architecture.json"
    write_json(architecture, {"kind": "named", "name": "small_cnn", "network": {"classes": 3, "input": [3, 24, 24]}})
    options = {"epochs": 12, "batch": 8, "augment": {"scale": "standard"}}
    method = MethodConfig(recipe="plain", recipe_options=options)
    searches, files = Searches((architecture,), "no_data"), (path.with_name("inputs.npy"), path, folds)
    job = JobInputs(*files, out_dir=out / "shard0", work_dir=out / "work", run_key="shuffled", seed=1)
    assert run_training(job, TrainSpec(method, searches)) == "ok"
    test = PredictInputs(*files, folds.with_name("folds.test.json"), searches, (out / "shard0",))
    assert run_predict(test, method, out / "p.parquet") == "ok"
    scores = score_predictions(read_parquet(out / "p.parquet"), read_json(folds)["classes"])
    recalls = scores["per_class"].values()
    error = sum(1 / 3 * 2 / 3 / entry["support"] for entry in recalls) ** 0.5 / 3
    assert abs(scores["uar"] - 1 / 3) < 2 * error, scores["uar"]
