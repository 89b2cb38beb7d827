"""Controls: a planted leak stops the run by name, a broken corpus is one message, finished stages stay finished."""

import shutil
from pathlib import Path

import pytest
import yaml

from fernas.core.io import read_json, read_parquet, write_json, write_parquet
from tests.workflow.conftest import Result, Workflow, copy_workflow

pytestmark = pytest.mark.e2e
TINY = ("--configfile", "configs/tiny.yaml")
RESULTS = "results-tiny"
AUDIT = f"{RESULTS}/tasks/ckplus-3-rendered/subject2/audit.json"
CORPUS = f"{RESULTS}/rendered/ckplus/corpus"


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
    root = copy.folder / CORPUS
    peaks = [root / row["frames"][int(row["apex"])] for row in rows]
    shutil.copy(peaks[0], peaks[1])
    result = copy.snakemake(AUDIT, "--forcerun", "build_manifest", *TINY)
    refused(result, "duplicate", rows[0]["sample_id"], rows[1]["sample_id"])


def test_fewer_subjects_than_folds(copy):
    path = copy.folder / "configs/tiny.yaml"
    document = yaml.safe_load(path.read_text())
    document["protocols"]["subject2"]["options"]["folds"] = 20
    path.write_text(yaml.safe_dump(document))
    refused(copy.snakemake(AUDIT, *TINY), "20", "8")


def test_a_truncated_picture_is_named(copy):
    picture = sorted((copy.folder / CORPUS / "cohn-kanade-images").rglob("*.png"))[3]
    data = picture.read_bytes()
    picture.write_bytes(data[: len(data) // 2])
    result = copy.snakemake(f"{RESULTS}/data/ckplus-rendered/audit.json", "--forcerun", "build_manifest", *TINY)
    found = result.text
    if result.status == 0:
        found = " ".join(read_json(copy.folder / RESULTS / "data/ckplus-rendered/audit.json")["problems"])
    assert picture.name in found, found[-3000:]


def test_a_read_only_results_folder_is_one_message(copy, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    path = copy.folder / "configs/tiny.yaml"
    document = yaml.safe_load(path.read_text())
    document["results"] = str(blocked)
    path.write_text(yaml.safe_dump(document))
    result = copy.snakemake(*TINY)
    assert result.status != 0 and str(blocked) in result.text and "Traceback" not in result.text


def test_shuffled_labels_leave_nothing_to_learn(copy):
    """The same pictures with labels dealt out at random within subjects: UAR within its interval of chance."""
    path = copy.folder / RESULTS / "data/ckplus-rendered/manifest.parquet"
    table = read_parquet(path)
    from fernas.core.seeds import rng

    generator = rng(1, "shuffle")
    table["label"] = table.groupby("subject")["label"].transform(lambda s: generator.permutation(s.to_numpy()))
    write_parquet(path, table)
    target = f"{RESULTS}/runs/ckplus-3-rendered/subject2/small_cnn/no_data/s0/t0/scores.json"
    result = copy.snakemake(target, *TINY)
    assert result.status == 0, result.text[-5000:]
    scores = read_json(copy.folder / target)
    samples = scores["samples"]
    assert abs(scores["uar"] - 1 / 3) < 2 * (2 / 9 / samples * 3) ** 0.5, scores["uar"]
    assert Path(path).exists()
