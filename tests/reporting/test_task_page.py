"""The page of one task."""

from fernas.core.io import write_json
from fernas.reporting.compare import StudyTables, compare_study
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
