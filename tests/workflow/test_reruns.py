"""What runs again, and what does not: finished work is taken over wherever no result can change."""

import ast
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.fixtures.workflow_folder import Workflow, copy_workflow

pytestmark = pytest.mark.e2e


@pytest.fixture
def study(finished: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the finished tiny study."""
    return finished.clone(tmp_path / "copy")


def add(path: Path, text: str) -> None:
    with open(path, "a") as stream:
        stream.write(text)


def with_a_docstring(path: Path) -> None:
    """Lengthen the docstring of a module."""
    text = path.read_text()
    words = ast.get_docstring(ast.parse(text), clean=False)
    assert words
    path.write_text(text.replace(words, f"{words} A sentence more.", 1))


def test_dates_comments_and_docstrings_run_nothing_again(study):
    scripts = sorted((study.folder / "workflow_scripts").glob("*.py"))
    assert len(scripts) > 15
    for path in (*scripts, study.folder / "fernas/learn/fit.py", study.folder / "fernas/core/io.py"):
        add(path, "\n# a comment\n")
        with_a_docstring(path)
    later = time.time() + 5
    for path in (*scripts, *(study.folder / "rules").glob("*.smk"), study.folder / "Snakefile"):
        os.utime(path, (later, later))
    assert study.planned() == {}


def test_code_of_a_script_that_changes_runs_its_rule_again(study):
    add(study.folder / "workflow_scripts" / "score.py", "\nCHANGED = 1\n")
    assert study.planned() == {"score": 4, "compare": 1, "report": 1}


def test_how_jobs_run_is_no_reason_to_run_them_again(study):
    def change(document):
        document["checkpoint"] = {"every_s": 30}
        document.update(device="auto", threads=2, keep_models=True)
        document["tracking"] = {"enabled": False, "every_s": 9, "uri": "sqlite:///elsewhere.db"}
        document["final"] = [{"task": "ckplus-3", "protocol": "subject2", "method": "emonas"}]
        for method in document["methods"].values():
            method["mem_mb"] = 3000

    study.edit_config(change)
    assert study.planned() == {}


def test_frozen_code_keeps_what_is_finished_from_the_middle_of_a_study_on(study):
    add(study.folder / "fernas/learn/fit.py", "\nCHANGED = 1\n")
    add(study.folder / "workflow_scripts" / "compare.py", "\nCHANGED = 1\n")
    changed = study.planned()
    assert changed["train"] == 5 and changed["compare"] == 1
    study.edit_config(lambda d: d.update(code_digest="frozen"))
    assert study.planned() == {}
    # the digests of what stands are kept, so that strict code sees the same changes as before
    study.edit_config(lambda d: d["methods"]["small_cnn"]["recipe_options"].update(epochs=3))
    assert study.planned("results-tiny/runs/megc2019-3-rendered/loso/small_cnn/no_data/s0/t0/scores.json") == {
        "train": 2, "predict": 1, "score": 1,
    }  # fmt: skip
    study.edit_config(lambda d: d.update(code_digest="strict"))
    assert study.planned()["train"] == 5


@pytest.mark.parametrize("with_records", [True, False])
def test_results_that_were_copied_into_a_fresh_checkout_are_taken_over(finished, tmp_path, with_records):
    fresh = copy_workflow(tmp_path, package=True)
    for name in ("results-tiny", *([".snakemake"] if with_records else [])):
        shutil.copytree(finished.folder / name, tmp_path / name)
    assert fresh.planned() == {}
    fresh.edit_config(lambda d: d.update(code_digest="frozen"))
    assert fresh.planned() == {}
