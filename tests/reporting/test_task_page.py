"""The page of one task."""

from pathlib import Path

from fernas.core.io import read_json, write_json
from fernas.reporting.compare import StudyTables, compare_study
from fernas.reporting.report import build_report
from fernas.reporting.task_page import task_pages, views_text
from tests.fixtures.made_up_results import study_document
from tests.reporting.conftest import Tree, study_of


def test_views_of_methods_that_see_something_else_are_named() -> None:
    document = study_document()
    document["views"]["grey"] = {"kind": "still", "colour": "grey", "size": 64}
    document["methods"]["small_cnn"]["view"] = "grey"
    study = study_of(document)

    def seen(*methods: str) -> str:
        return views_text(study, "ckplus-7n", methods)

    assert seen("emonas", "small_cnn") == "48 px rgb, still; small_cnn: 64 px grey, still"
    assert seen("emonas") == "48 px rgb, still" and seen("small_cnn") == "small_cnn: 64 px grey, still"


def test_a_page_has_the_facts_of_its_folds(tree: Tree, tables: StudyTables) -> None:
    first, second = [page for page in task_pages(tree[0], tables, tree[1]) if page.task != "fer2013-7"]
    facts = first.facts
    assert facts["folds"] == "4" and facts["audit of the folds"] == "no overlap of train and test split"
    assert facts["duplicates left out of training"] == "1" and facts["networks see"] == "48 px rgb, still"
    assert first.pairs_note.startswith("6 pairs over 8 subjects.") and len(first.tables["pairs"]) == 6
    assert "datasets" in second.tables and "datasets" not in first.tables
    assert [method for method, _, _ in first.untried] == ["darts"]


def test_leaks_stand_among_the_facts(own_tree: Tree) -> None:
    results, study = own_tree
    leaks = {"test samples with a near-duplicate in training": 16}
    write_json(results / "tasks/ckplus-7n-rendered/kfold4/audit.json", {"ok": True, "leaks": leaks})
    page = task_pages(results, compare_study(results, study), study)[0]
    assert page.facts["audit of the folds"] == "test samples with a near-duplicate in training: 16"


def test_a_task_without_named_subjects_promises_none(own_tree: Tree, tmp_path: Path) -> None:
    results, study = own_tree
    for path in (results / "runs/ckplus-7n-rendered").rglob("scores.json"):
        write_json(path, {**read_json(path), "interval_unit": "duplicate set"})
    tables = compare_study(results, study)
    pages = {page.task: page for page in task_pages(results, tables, study)}
    facts = pages["ckplus-7n"].facts
    assert facts["audit of the folds"] == "no copy of an image in both splits; subjects are not named"
    html = " ".join(build_report(results, study, tmp_path / "report").read_text().split())
    assert "ckplus-7n: subjects are not named, so one person may be in both splits" in html
    assert "bootstrap over subjects, or duplicate sets or images where a dataset names no subjects" in html
    assert "Each network is tested on subjects that neither" in html  # of the other tasks


def test_subjects_are_promised_where_all_are_named(own_tree: Tree, tmp_path: Path) -> None:
    results, study = own_tree
    compare_study(results, study)
    html = " ".join(build_report(results, study, tmp_path / "report").read_text().split())
    assert "Each network is tested on subjects that neither its search nor its training has seen" in html
    assert "not named" not in html and "bootstrap over subjects; a resampled" in html
