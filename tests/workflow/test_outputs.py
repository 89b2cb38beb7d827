"""Every file of a results folder is made by a rule: what is deleted can be made again."""

import re
import shutil
from pathlib import Path

import pytest

from tests.fixtures.workflow_folder import ROOT, TINY, Result, Workflow

pytestmark = pytest.mark.e2e

NO_OUTPUTS = {  # of no rule, and why
    "logs/": "Snakemake writes them, or the mirror",
    ".work/": "checkpoints, and what processes tell each other: gone when a job is finished",
    "mlflow.db": "the mirror of results, which `fernas track sync` makes again",
    "mlflow-artifacts/": "the same",
}
OF_SOME_METHODS = ("relabel.jsonl",)  # beside training.jsonl, by one recipe
OF_EVERY_START = ("left_over.json",)  # not of a rule: written before the first job, where something is left over


@pytest.fixture
def study(finished: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the finished tiny study."""
    return finished.clone(tmp_path / "copy")


@pytest.fixture(scope="module")
def forced(finished: Workflow) -> Result:
    """The dry run of the whole tiny study from nothing."""
    return finished.snakemake("-n", "--forceall", *TINY)


def is_made(path: str, outputs: set[str]) -> bool:
    """Whether a file is an output, or in a folder that is one."""
    return path in outputs or any(str(parent) in outputs for parent in Path(path).parents)


def test_every_file_of_a_finished_study_is_an_output_of_a_rule(finished, forced):
    outputs = {path for job in forced.jobs for path in job.outputs}
    files = sorted(path for path in (finished.folder / "results-tiny").rglob("*") if path.is_file())
    assert len(files) > 200
    names = {str(path.relative_to(finished.folder / "results-tiny")) for path in files}
    undeclared = {name for name in names if not is_made(f"results-tiny/{name}", outputs)}
    assert {name for name in undeclared if not name.startswith(tuple(NO_OUTPUTS))} == set()
    assert all(any(name.startswith(part) for name in undeclared) for part in NO_OUTPUTS), "the list holds no others"


def test_every_file_that_the_tour_names_is_an_output_of_a_rule(forced):
    """By the names of files: those of the targets that the tiny study does not ask for are read from their rules."""
    text = (ROOT / "docs" / "tour.md").read_text()
    folder = text.split("```")[1]
    named = set(re.findall(r"[\w.]+\.(?:parquet|jsonl|json|npy|md|csv|svg|html)", folder))
    named |= {f"{name}.csv" for name in re.findall(r"^\| `tables/(\w+)`", text, re.M)}
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    made = {Path(path).name for job in forced.jobs for path in job.outputs}
    made |= {match for match in re.findall(r'layout\.tables / "([\w.]+)"', rules)}
    assert len(named) > 20 and named - made - {*OF_SOME_METHODS, *OF_EVERY_START} == set()


@pytest.mark.parametrize(
    ("deleted", "planned"),
    [
        ("tables/summary.csv", {"compare": 1, "report": 1}),
        ("tables/ckplus-3-subject2-groups.tex", {"compare": 1, "report": 1}),
        ("tables/drawings", {"compare": 1, "report": 1}),
        ("report/index.html", {"report": 1}),
        (
            "runs/megc2019-3-rendered/loso/small_cnn/no_data/s0/t0/shard0/training.jsonl",
            # both shards: their models are gone after prediction
            {"train": 2, "predict": 1, "score": 1, "compare": 1, "report": 1},
        ),
    ],
)
def test_a_deleted_file_is_made_again(study, deleted, planned):
    path = study.folder / "results-tiny" / deleted
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert study.planned() == planned


def test_deleted_synthetic_faces_are_rendered_again_for_who_needs_them_and_change_nothing(study):
    results = study.folder / "results-tiny"
    faces = results / "rendered" / "ckplus" / "dataset"
    before = {path.relative_to(faces): path.read_bytes() for path in faces.rglob("*.png")}
    shutil.rmtree(faces)
    assert study.planned() == {}, "a finished study needs no faces"
    # who needs them gets them first
    inputs = results / "tasks" / "ckplus-3-rendered" / "still-rgb24" / "inputs.npy"
    inputs.rename(inputs.with_suffix(".kept"))
    assert study.planned(str(inputs.relative_to(study.folder)))["synthesize"] == 1
    inputs.with_suffix(".kept").rename(inputs)
    # by their name they come back alone, and what was made of them stands
    result = study.snakemake("results-tiny/rendered/ckplus/dataset", *TINY)
    assert result.status == 0, result.text[-3000:]
    assert {path.relative_to(faces): path.read_bytes() for path in faces.rglob("*.png")} == before and before
    assert study.planned() == {}
