"""What `compare` writes, and that all others only read it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fernas.core.config import StudyConfig
from fernas.core.errors import DataError
from fernas.core.io import read_json, write_json
from fernas.reporting import compare
from fernas.reporting.compare import StudyTables, compare_study, is_current
from fernas.reporting.report import build_report
from fernas.study import Study, outputs
from tests.fixtures.made_up_results import fabricate
from tests.reporting.conftest import Tree


def test_tables_come_in_three_forms(tables: StudyTables, tree: Tree) -> None:
    names = {path.name for path in (tree[0] / "tables").iterdir()}
    assert {f"ckplus-7n-kfold4.{suffix}" for suffix in ("csv", "md", "tex")} <= names
    for stem in ("summary", "ckplus-7n-kfold4-scores", "megc2019-3-megc-datasets", "papers", "paired", "search_health"):
        assert {f"{stem}.{suffix}" for suffix in ("csv", "md", "tex")} <= names
    assert "ckplus-7n-kfold4-datasets.csv" not in names  # one dataset
    latex = (tree[0] / "tables/megc2019-3-megc.tex").read_text()
    assert r"\toprule" in latex and "12 of 68 subjects, rendered" in latex and r"small\_cnn" in latex


@pytest.mark.parametrize("patches", [False, True])
def test_the_tables_that_the_study_declares_are_written_and_no_others(tmp_path: Path, patches: bool) -> None:
    config = fabricate(tmp_path / "results")
    if patches:
        document = config.model_dump(mode="json")
        document["methods"]["small_cnn"].update(search="evolution", space="patches")
        config = StudyConfig(**document)
    study = Study.of(config).at(tmp_path / "results")
    compare_study(study.results, study)
    written = {path for path in study.layout.tables.rglob("*") if path.is_file()}
    assert {path for path in written if path.parent != study.layout.drawings} == set(outputs.table_files(study))
    assert {path.suffix for path in study.layout.drawings.iterdir()} == {".svg"}
    assert any(path.name.endswith("-patches.csv") for path in written) is patches


def test_markdown_labels_rendered_faces_and_says_how_many_subjects(tables: StudyTables, tree: Tree) -> None:
    text = (tree[0] / "comparison.md").read_text()
    assert "12 of 68 subjects, rendered" in text
    assert text.count("synthetic faces: no statement about real people") >= 2
    assert "out of memory" in text


def test_one_method_made_to_fail_leaves_the_tables_with_its_reason(tmp_path: Path) -> None:
    results = tmp_path / "results"
    study = Study.of(fabricate(results))
    base = results / "runs/megc2019-3-rendered/megc/random/per_group/s0"
    shutil.rmtree(base / "t0")
    write_json(base / "g0/status.json", {"status": "failed", "reason": "the search loss is not finite in epoch 3"})
    compare_study(results, study)
    text = (results / "tables/megc2019-3-megc.md").read_text()
    assert "the search loss is not finite in epoch 3" in text and "small_cnn" in text
    assert "random" not in (results / "tables/paired.csv").read_text().split("megc2019-3", 1)[1]


@pytest.mark.slow
def test_latex_tables_compile(tree: Tree, tmp_path: Path) -> None:
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("no pdflatex on this machine (Debian: texlive-latex-recommended)")
    results = tmp_path / "results"
    shutil.copytree(tree[0], results)
    compare_study(results, tree[1])
    tables = sorted((results / "tables").glob("*.tex"))
    assert len(tables) >= 8
    lines = [
        r"\documentclass[landscape]{article}",
        r"\usepackage{booktabs,longtable,array,graphicx}",
        r"\begin{document}",
    ]
    lines += [rf"\input{{{path.name}}}\clearpage" for path in tables]
    (results / "tables/all.tex").write_text("\n".join([*lines, r"\end{document}"]), encoding="utf-8")
    done = subprocess.run(
        [latex, "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=results / "tables", capture_output=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (results / "tables/all.pdf").stat().st_size > 5000


def test_what_was_written_is_read_again(tree: Tree, tables: StudyTables) -> None:
    again = StudyTables.read(tree[0])
    assert again.facts == tables.facts
    for name in StudyTables.frames():
        read, written = getattr(again, name), getattr(tables, name)
        assert list(read.columns) == list(written.columns) and len(read) == len(written), name
    for one, other in zip(again.tables(tree[1]), tables.tables(tree[1]), strict=True):
        assert one.caption == other.caption and one.markdown() == other.markdown() and one.latex() == other.latex()


def test_the_report_computes_nothing_again(own_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    results, study = own_tree
    with pytest.raises(DataError):
        build_report(results, study, results / "report")
    compare_study(results, study)
    files = {path: path.read_bytes() for path in results.rglob("tables/**/*.*")} | {
        results / "comparison.csv": (results / "comparison.csv").read_bytes()
    }
    for name in ("comparison", "study_statistics", "detail_frames", "published_frame"):
        monkeypatch.delattr(compare, name)
    build_report(results, study, results / "report")
    assert all(path.read_bytes() == data for path, data in files.items())


def test_tables_are_current_until_a_result_is_newer(own_tree: Tree) -> None:
    results, study = own_tree
    assert not is_current(results)
    compare_study(results, study)
    assert is_current(results)
    scores = next(results.glob("runs/**/scores.json"))
    os.utime(scores, (2e9, 2e9))
    assert not is_current(results)


def test_the_rule_declares_the_frames() -> None:
    assert list(outputs.FRAMES) == StudyTables.frames()


def test_seeds_that_the_config_no_longer_has_are_not_counted(tmp_path: Path) -> None:
    """Scores, intervals, costs and the report go by the config, whatever lies on disk beside it."""
    study = Study.of(fabricate(tmp_path / "results")).at(tmp_path / "results")
    both = compare_study(study.results, study).comparison.set_index(["task", "method"]).loc[("ckplus-7n", "emonas")]
    base = study.results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0"
    document = study.config.model_dump(mode="json")
    document["methods"]["emonas"]["train_seeds"] = 1
    fewer = Study.of(StudyConfig(**document)).at(study.results)
    tables = compare_study(study.results, fewer)
    row = tables.comparison.set_index(["task", "method"]).loc[("ckplus-7n", "emonas")]
    assert (both["seed_count"], row["seed_count"]) == (2, 1)
    assert row["uar"] == read_json(base / "t0/scores.json")["uar"] != both["uar"]
    assert is_current(study.results)
    shutil.rmtree(base / "t1")
    clean = compare_study(study.results, fewer)
    for one, other in zip(tables.tables(fewer), clean.tables(fewer), strict=True):
        assert one.markdown() == other.markdown(), one.name
