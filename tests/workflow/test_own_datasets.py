"""Datasets of one's own under free names, several of them as one dataset, and protocols across datasets, end to end."""

import csv
import shutil

import numpy as np
import pytest
import yaml

from fernas.core.io import read_json, read_npy, read_parquet
from fernas.datasets.manifest import build_manifest
from fernas.reporting.compare import compare_study
from fernas.reporting.report import build_report
from fernas.study import Study
from fernas.synth import write_dataset
from fernas.tracking.follow import sync
from tests.fixtures.pixels import files_with_faces
from tests.fixtures.workflow_folder import Workflow, copy_workflow

pytestmark = pytest.mark.e2e
WORDS = {"happiness": "joy", "surprise": "wow"}


def make_dataset(folder, seed, words, subjects=8):
    """A dataset that nobody published: images anywhere below a folder, and a csv with labels and people."""
    layout = {"subjects": subjects, "emotions": ["happiness", "surprise"], "seed": seed}
    write_dataset("ckplus", folder / "images here", layout)
    table = build_manifest("ckplus", folder / "images here")
    with open(folder / "my list.csv", "w", newline="", encoding="utf-8-sig") as stream:
        rows = csv.writer(stream, delimiter=";")
        rows.writerow(["Path", "Label", "Subject"])
        for row in table.to_dict("records"):
            who = f"Ä{row['subject'].rsplit('/')[-1]}"
            for at, label in ((len(row["frames"]) - 1, row["label"]), (0, "neutral")):
                rows.writerow(["images here\\" + row["frames"][at].replace("/", "\\"), words.get(label, label), who])


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    folder = tmp_path_factory.mktemp("own")
    make_dataset(folder / "lab", 3, WORDS)
    make_dataset(folder / "street", 4, {})
    workflow = copy_workflow(folder)
    document = yaml.safe_load((folder / "configs/tiny.yaml").read_text())
    task = {"classes": ["happiness", "surprise", "neutral"], "view": "still-rgb24"}
    document["datasets"] = {
        "lab": {"adapter": "custom", "source": "real", "root": str(folder / "lab")},
        "street": {"adapter": "custom", "source": "real", "root": str(folder / "street"),
                   "options": {"file": "my list.csv"}},
        "both": {"parts": ["lab", "street"]},
    }  # fmt: skip
    document["tasks"] = {
        "lab-3": {"dataset": "lab", "label_map": {"joy": "happiness", "wow": "surprise"}, **task},
        "both-3": {"dataset": "both", "label_map": {"joy": "happiness", "wow": "surprise"}, **task},
    }
    document["protocols"] = {
        "subject2": {"kind": "subject_kfold", "options": {"folds": 2}, "groups": 2, "shards": 1},
        "lab-to-street": {"kind": "cross_dataset", "options": {"train": ["lab"], "test": ["street"]}, "groups": 1,
                          "shards": 1},
        "dataset-out": {"kind": "leave_one_dataset_out", "groups": 2, "shards": 1},
    }  # fmt: skip
    document["study"] = [
        {"task": "lab-3", "protocol": "subject2", "methods": ["small_cnn"]},
        {"task": "both-3", "protocol": "lab-to-street", "methods": ["small_cnn"]},
        {"task": "both-3", "protocol": "dataset-out", "methods": ["small_cnn"], "when": "named"},
    ]
    document["results"] = "results"
    (folder / "own.yaml").write_text(yaml.safe_dump(document))
    result = workflow.snakemake("lab", "both", "--configfile", "own.yaml")
    assert result.status == 0, result.text[-8000:]
    return workflow


def test_each_name_has_its_own_data_and_target(finished):
    results = finished.folder / "results"
    lab, street = (read_parquet(results / "data" / name / "manifest.parquet") for name in ("lab", "street"))
    assert len(lab) == len(street) and set(lab["dataset"]) == {"lab"} and set(street["dataset"]) == {"street"}
    assert set(lab["label"]) == {"joy", "wow", "neutral"} and set(street["label"]) == {
        "happiness",
        "surprise",
        "neutral",
    }
    assert lab["subject"].str.fullmatch(r"lab/ÄS\d+").all()
    both = read_parquet(results / "data/both/manifest.parquet")
    assert sorted(both["sample_id"]) == sorted([*lab["sample_id"], *street["sample_id"]])
    assert read_json(results / "data/both/audit.json")["subjects"] == 16


def test_cross_dataset_trains_on_one_and_tests_on_the_other(finished):
    results = finished.folder / "results"
    train = read_json(results / "tasks/both-3/lab-to-street/folds.train.json")
    (fold,) = train["folds"]
    assert {i.split("/")[0] for part in ("weights", "selection", "inner_validation") for i in fold[part]} == {"lab"}
    assert train["note"] == "trained on lab, tested on street"
    predictions = read_parquet(results / "runs/both-3/lab-to-street/small_cnn/no_data/s0/t0/predictions.parquet")
    assert set(predictions["dataset"]) == {"street"}
    out = read_json(results / "runs/both-3/dataset-out/small_cnn/no_data/s0/t0/scores.json")
    assert set(out["per_dataset"]) == {"lab", "street"} and out["folds"] == 2


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("-n", "lab", "both", "--configfile", "own.yaml").text


def test_files_with_faces_and_ids_are_readable_by_their_owner_alone(finished):
    results = finished.folder / "results"
    files = [p for name in ("data", "tasks") for p in (results / name).rglob("*") if p.is_file()]
    assert {"previews.npy", "inputs.npy", "manifest.parquet", "samples.parquet"} <= {p.name for p in files}
    assert [str(p) for p in files if p.stat().st_mode & 0o077] == []


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [False, True])
def test_no_face_of_real_people_leaves_data_and_tasks_unless_the_config_allows_it(finished, tmp_path, allowed):
    results = tmp_path / "results"
    shutil.copytree(finished.folder / "results", results)
    document = yaml.safe_load((finished.folder / "own.yaml").read_text())
    (tmp_path / "own.yaml").write_text(
        yaml.safe_dump(document | {"results": str(results), "tracking": {"real_faces": allowed}})
    )
    study = Study.load(tmp_path / "own.yaml")
    compare_study(results, study)
    build_report(results, study, study.layout.report.path)
    sync(results)
    aligned = [np.asarray(read_npy(path)) for path in sorted(results.rglob("previews.npy"))]
    inputs = [np.asarray(read_npy(path)) for path in sorted(results.rglob("inputs.npy"))]
    frames = [path.read_bytes() for path in sorted(finished.folder.glob("*/images here/**/*.png"))]
    assert aligned and inputs and frames
    found, looked_at = files_with_faces(results, aligned + inputs, frames[::4], ("data", "tasks"))
    assert looked_at > 50
    assert (found != []) == allowed, found
