"""Statistics of a made-up study: tables of paired tests, optimism, seeds, ranks, health."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core.config import StudyConfig
from fernas.core.io import read_json, write_json, write_parquet
from fernas.reporting import formats as texts
from fernas.reporting import report, statistics
from fernas.reporting.best import best_runs
from fernas.reporting.collect import lead, similarity_images
from fernas.reporting.figures import ranks_svg
from fernas.reporting.report import build_report
from fernas.reporting.tables import comparison
from fernas.scoring.compare import compare_runs, holm
from fernas.scoring.scores import score_predictions
from tests.fabricate import EMOTIONS, fabricate, predictions, study_document


@pytest.fixture(scope="module")
def frame(tree: tuple[Path, StudyConfig]) -> pd.DataFrame:
    return comparison(*tree, write=False)


@pytest.fixture(scope="module")
def found(tree: tuple[Path, StudyConfig], frame: pd.DataFrame) -> statistics.Statistics:
    return statistics.study_statistics(tree[0], frame, tree[1])


def test_all_pairs_of_a_task_are_one_family(found: statistics.Statistics, tree: tuple[Path, StudyConfig]) -> None:
    rows = [row for row in found.paired if row["task"] == "ckplus-7n"]
    assert len(rows) == 6 and all(row["family"] == 6 for row in rows)
    assert [row["swap_p_holm"] for row in rows] == pytest.approx(holm([row["swap_p"] for row in rows]))
    assert all(row["difference"] >= 0 for row in rows) and {row["unit"] for row in rows} == {"subject"}
    row = next(r for r in rows if {r["method_a"], r["method_b"]} == {"emonas", "random"})
    base = tree[0] / "runs/ckplus-7n-rendered/kfold4"
    seeds = [pd.read_parquet(base / f"emonas/per_group/s0/t{t}/predictions.parquet") for t in (0, 1)]
    other = pd.read_parquet(base / "random/per_group/s0/t0/predictions.parquet")
    pair = compare_runs(seeds, other)
    assert row["difference"] == pytest.approx(pair["difference"]["uar"])
    assert row["swap_p"] == pair["swap"]["p"] and row["swap_smallest_p"] == pair["swap"]["smallest_p"]
    assert row["mcnemar_p"] is None and "subject" in row["mcnemar_reason"] and row["units"] == 8


def test_tables_are_written_in_three_forms(found: statistics.Statistics, tmp_path: Path) -> None:
    names = {path.name for path in statistics.write_statistics(tmp_path, found)}
    assert {"paired.csv", "paired.md", "paired.tex", "variance.csv", "optimism.tex", "search_health.md"} <= names
    table = pd.read_csv(tmp_path / "tables/paired.csv")
    assert tuple(table.columns) == statistics.PAIRED and len(table) == len(found.paired)
    assert "not evidence about people" in (tmp_path / "tables/paired.md").read_text()


def test_what_was_kept_is_used_until_something_changes(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    frame = comparison(results, config, write=False)
    first = statistics.kept_statistics(results, frame, config)
    path = results / statistics.KEPT
    document = read_json(path)
    document["statistics"]["left_out"] = ["marked"]
    write_json(path, document)
    assert statistics.kept_statistics(results, frame, config).left_out == ["marked"]
    other = predictions(np.random.default_rng(9), EMOTIONS, [f"ckplus/S{i:03d}" for i in range(8)], 0.9)
    write_parquet(results / "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/t0/predictions.parquet", other)
    again = statistics.kept_statistics(results, frame, config)
    assert again.left_out == [] and again.paired != first.paired


def test_other_samples_are_no_family(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    path = results / "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/t0/predictions.parquet"
    write_parquet(path, pd.read_parquet(path).iloc[:-1])
    found = statistics.study_statistics(results, comparison(results, config, write=False), config)
    assert len([row for row in found.paired if row["task"] == "ckplus-7n"]) == 3
    assert any("random was tested on other samples" in text for text in found.left_out)


def finish(folder: Path, seed: int, quality: float, subjects: int = 8) -> None:
    people = [f"ckplus/S{i:03d}" for i in range(subjects)]
    table = predictions(np.random.default_rng(seed), EMOTIONS, people, quality)
    write_parquet(folder / "predictions.parquet", table)
    write_json(folder / "scores.json", score_predictions(table, EMOTIONS, resamples=100))
    write_json(folder / "status.json", {"status": "ok", "reason": ""})


def test_the_optimism_gap_is_printed_where_both_scopes_ran(own_tree: tuple[Path, StudyConfig]) -> None:
    results, _ = own_tree
    finish(results / "runs/ckplus-7n-rendered/kfold4/emonas/whole_matched/s0/t0", 5, 0.95)
    frame = comparison(results, None, write=False)
    matched = frame[frame["search_scope"] == "whole_matched"]
    assert "test subjects" in matched["leaks"].iloc[0]
    found = statistics.study_statistics(results, frame, None)
    (row,) = found.optimism
    assert row["method"] == "emonas" and row["gap"] > 0 and row["low"] < row["gap"] < row["high"]
    assert row["p_holm"] == row["p"]  # one gap is its own family
    records = texts.records_of(frame[frame["task"] == "ckplus-7n"].sort_values("uar", ascending=False))
    first = statistics.winner(records)
    assert first is not None and records[0]["search_scope"] == "whole_matched" and first["method"] == "emonas"
    against = found.against_best(records)
    assert against["emonas (whole_matched)"]["difference"] < 0 < against["random"]["difference"]
    assert "whole_matched" not in lead(records, 1 / 7, against)
    tags = best_runs(results, frame)
    assert tags["ckplus-7n-rendered/kfold4/emonas/per_group/s0"] == "true"
    assert tags["ckplus-7n-rendered/kfold4/emonas/whole_matched/s0"] == "false"
    html = build_report(results, None, results / "report").read_text(encoding="utf-8")
    assert "Optimism gap" in html and "when the search saw test subjects" in html
    assert (results / "tables/optimism.csv").read_text().count("\n") == 2


def test_search_and_training_seeds_are_separate_terms(own_tree: tuple[Path, StudyConfig]) -> None:
    results, _ = own_tree
    base = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group"
    for search in (1, 2):
        for training in (0, 1):
            finish(base / f"s{search}/t{training}", 10 * search + training, 0.3 * search)
    found = statistics.study_statistics(results, comparison(results, None, write=False), None)
    (row,) = [row for row in found.variance if row["method"] == "emonas" and row["task"] == "ckplus-7n"]
    assert row["searches"] == 3 and row["trainings"] == 6
    assert row["search_sd"] > row["training_sd"] > 0 and 0 < row["search_share"] < 1


def study_of(results: Path, datasets: int) -> pd.DataFrame:
    """One task on several datasets, three methods of different quality."""
    for number in range(datasets):
        for method, quality in (("strong", 0.9), ("middle", 0.6), ("weak", 0.2)):
            finish(results / f"runs/d{number}-7-rendered/kfold4/{method}/no_data/s0/t0", number, quality, 4)
    return comparison(results, None, write=False)


def test_ranks_over_five_datasets_have_an_image(tmp_path: Path) -> None:
    frame = study_of(tmp_path, 5)
    ranks = statistics.study_ranks(frame)
    assert ranks["available"] and ranks["ranks"] == {"strong": 1, "middle": 2, "weak": 3}
    svg = ranks_svg(ranks)
    assert "strong" in svg and "critical difference" in svg and svg == ranks_svg(ranks)
    html = build_report(tmp_path, None, tmp_path / "report").read_text(encoding="utf-8")
    assert "Mean ranks over 5 datasets: strong 1.00, middle 2.00, weak 3.00" in html
    assert (tmp_path / "tables/ranks.svg").is_file()


def test_datasets_with_the_same_people_and_rendered_ones_beside_real_ones_are_no_ranks(tmp_path: Path) -> None:
    names = ["casme2", "smic", "samm", "megc2019", "ckplus", "jaffe", "mug"]
    document = study_document()
    document["datasets"] = {name: {"source": "real", "root": "/x"} for name in names} | {"disfa": {}}
    config = StudyConfig.model_validate(document)
    rows = [
        {"dataset": name, "task": f"{name}-t", "protocol": "p", "method": method, "uar": value, "status": "ok",
         "search_scope": "no_data", "rendered": name == "disfa"}
        for name in [*names, "disfa"] for method, value in (("a", 0.9), ("b", 0.6), ("c", 0.2))
    ]  # fmt: skip
    ranks = statistics.study_ranks(pd.DataFrame(rows), config)
    assert ranks["available"] and ranks["datasets"] == 6 and not ranks["rendered"]
    assert ranks["left_out"] == ["disfa (rendered)", "megc2019 (same people as casme2, smic, samm)"]
    rendered = statistics.study_ranks(pd.DataFrame(rows).assign(rendered=True), config)
    assert rendered["rendered"] and rendered["datasets"] == 7
    few = statistics.study_ranks(pd.DataFrame([row for row in rows if row["dataset"] not in ("jaffe", "mug")]), config)
    assert not few["available"] and "4 datasets" in few["reason"]


def test_four_datasets_are_too_few_for_ranks(tmp_path: Path) -> None:
    ranks = statistics.study_ranks(study_of(tmp_path, 4))
    assert not ranks["available"] and "at least 5 datasets" in ranks["reason"]
    assert not statistics.study_ranks(comparison(tmp_path / "nothing", None, write=False))["available"]


def test_a_collapse_stands_beside_the_score(own_tree: tuple[Path, StudyConfig]) -> None:
    results, config = own_tree
    for group in (0, 1):
        path = results / f"runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/g{group}/architecture.json"
        document = read_json(path)
        document["normal"] = [["skip_connect", pair[1]] for pair in document["normal"]]
        write_json(path, document)
    comparison(results, config)
    line = next(text for text in (results / "comparison.md").read_text().splitlines() if text.startswith("| emonas"))
    assert "collapse in 2 of 2 searches" in line and "8 + " in line and "1.94 to" in line
    html = build_report(results, config, results / "report").read_text(encoding="utf-8")
    assert "collapse in 2 of 2 searches" in html


def records(p: float) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    row = {"status": "ok", "search_scope": "no_data", "uar_low": 0.5, "uar_high": 0.7}
    rows = [
        row | {"method": "a", "uar": 0.6, "core_s": 90.0},
        row | {"method": "b", "uar": 0.55, "core_s": 10.0},
        row | {"method": "c", "uar": 0.5, "core_s": 5.0},
    ]
    pair = {"unit": "subject", "units": 20, "family": 3, "swap_smallest_p": 1e-5}
    against = {
        "b": pair | {"difference": 0.05, "swap_p_holm": p},
        "c": pair | {"difference": 0.1, "swap_p_holm": 0.001},
    }
    return rows, against


def test_the_lead_says_who_wins_by_how_much_whether_by_chance_and_what_is_cheapest() -> None:
    rows, against = records(0.4)
    text = lead(rows, 1 / 3, against)
    assert "5.0 points ahead of b" in text and "p 0.40" in text and "over 20 subjects" in text
    assert "Beyond chance it beats c; b cannot be told apart" in text
    assert "Cheapest of those: b, 10 core-seconds against 90" in text
    rows, against = records(0.01)
    assert "beats every other method beyond chance" in lead(rows, 1 / 3, against)
    leaky = {**rows[1], "method": "leaky", "search_scope": "whole_dataset"}
    assert "whose search saw no test subjects beyond chance" in lead([*rows, leaky], 1 / 3, against)
    for pair in against.values():
        pair.update(swap_smallest_p=0.25, swap_p_holm=0.75)
    assert "So few subjects cannot settle" in lead(rows, 1 / 3, against)


def test_one_method_made_to_fail_leaves_the_tables_with_its_reason(tmp_path: Path) -> None:
    results = tmp_path / "results"
    config = fabricate(results)
    base = results / "runs/megc2019-3-rendered/megc/random/per_group/s0"
    shutil.rmtree(base / "t0")
    write_json(base / "g0/status.json", {"status": "failed", "reason": "the search loss is not finite in epoch 3"})
    build_report(results, config, results / "report")
    text = (results / "tables/megc2019-3-megc.md").read_text()
    assert "the search loss is not finite in epoch 3" in text and "small_cnn" in text
    assert "random" not in (results / "tables/paired.csv").read_text().split("megc2019-3", 1)[1]


def test_the_similarity_of_expressions_is_drawn_where_relabelling_ran() -> None:
    document = study_document()
    document["methods"]["autofernet"] = {"search": "sgas", "space": "autofernet", "recipe": "relabel"}
    config = StudyConfig.model_validate(document)
    (image,) = similarity_images(config, [{"method": "autofernet"}, {"method": "emonas"}], EMOTIONS)
    assert "anger" in image.alt and "autofernet" in image.caption and image.source.startswith("data:image/svg")
    document["methods"]["autofernet"]["recipe_options"] = {"strategy": 1}
    assert similarity_images(StudyConfig.model_validate(document), [{"method": "autofernet"}], EMOTIONS) == []
    assert similarity_images(None, [{"method": "autofernet"}], EMOTIONS) == []


def test_many_tasks_are_a_folder_of_pages_and_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_TASKS_OF_ONE_PAGE", 2)
    study_of(tmp_path, 3)
    index = build_report(tmp_path, None, tmp_path / "report")
    names = {path.name for path in index.parent.iterdir()}
    assert names == {"index.html", "d0-7-kfold4.html", "d1-7-kfold4.html", "d2-7-kfold4.html", "report.zip"}
    for name in names - {"report.zip"}:
        links = re.findall(r'href="([^"#]*)(#[\w-]*)?"', (index.parent / name).read_text(encoding="utf-8"))
        for file, place in links:
            if file.startswith("data:"):
                continue
            assert (file or name) in names
            if place:
                assert f'id="{place[1:]}"' in (index.parent / (file or name)).read_text(encoding="utf-8")
    task = (index.parent / "d1-7-kfold4.html").read_text(encoding="utf-8")
    assert "Confusion matrix of strong" in task and 'id="provenance"' not in task
    assert "Confusion matrix" not in index.read_text(encoding="utf-8")
    with zipfile.ZipFile(index.with_name("report.zip")) as archive:
        assert set(archive.namelist()) == {f"report/{name}" for name in names - {"report.zip"}}


@pytest.mark.slow
def test_latex_tables_compile(tree: tuple[Path, StudyConfig], tmp_path: Path) -> None:
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("no pdflatex on this machine (Debian: texlive-latex-recommended)")
    results = tmp_path / "results"
    shutil.copytree(tree[0], results)
    build_report(results, tree[1], results / "report")
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
