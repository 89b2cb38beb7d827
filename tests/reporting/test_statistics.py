"""Statistics of a made-up study: paired tests, optimism, seeds, ranks, health."""

from pathlib import Path

import pandas as pd
import pytest

from fernas.core.io import read_json, write_json, write_parquet
from fernas.reporting.comparison import comparison
from fernas.reporting.figures import ranks_svg
from fernas.reporting.formats import missing, records_of, rows_of
from fernas.reporting.statistics import Statistics, best_runs, study_ranks, study_statistics, winner
from fernas.reporting.verdict import lead
from fernas.scoring.compare import compare_runs, holm
from tests.fixtures.made_up_results import study_document
from tests.reporting.conftest import Tree, finish, ranked_study, report_of, study_of


@pytest.fixture(scope="module")
def frame(tree: Tree) -> pd.DataFrame:
    return comparison(*tree)


@pytest.fixture(scope="module")
def found(tree: Tree, frame: pd.DataFrame) -> Statistics:
    return study_statistics(tree[0], frame, tree[1])


def test_all_pairs_of_a_task_are_one_family(found: Statistics, tree: Tree) -> None:
    rows = records_of(rows_of(found.paired, "ckplus-7n", "kfold4"))
    assert len(rows) == 6 and all(row["family"] == 6 for row in rows)
    assert [row["permutation_p_holm"] for row in rows] == pytest.approx(holm([row["permutation_p"] for row in rows]))
    assert all(row["difference"] >= 0 for row in rows) and {row["unit"] for row in rows} == {"subject"}
    row = next(r for r in rows if {r["method_a"], r["method_b"]} == {"emonas", "random"})
    base = tree[0] / "runs/ckplus-7n-rendered/kfold4"
    seeds = [pd.read_parquet(base / f"emonas/per_group/s0/t{t}/predictions.parquet") for t in (0, 1)]
    other = pd.read_parquet(base / "random/per_group/s0/t0/predictions.parquet")
    pair = compare_runs(seeds, other)
    assert row["difference"] == pytest.approx(pair["difference"]["uar"])
    for name in ("p", "smallest_p"):
        assert row[f"permutation_{name}"] == pair["permutation"][name]
    assert missing(row["mcnemar_p"]) and "subject" in row["mcnemar_reason"] and row["units"] == 8


def test_a_pair_shows_the_interval_of_the_difference_in_uar(own_tree: Tree) -> None:
    """Also where classes have unequal sizes, so that UAR is not accuracy."""
    results, study = own_tree
    base = results / "runs/ckplus-7n-rendered/kfold4"
    for path in base.glob("*/*/s0/t*/predictions.parquet"):
        table = pd.read_parquet(path)
        write_parquet(path, table[(table["label"] != "anger") | (table["subject"] < "ckplus/S002")])
    row = records_of(study_statistics(results, comparison(results, study), study).paired)[0]
    one, two = (
        [pd.read_parquet(path) for path in sorted(base.glob(f"{row[side]}/*/s0/t*/predictions.parquet"))]
        for side in ("method_a", "method_b")
    )
    pair = compare_runs(one, two)
    assert [row["low"], row["high"]] == pair["interval"]["uar"] != pair["interval"]["accuracy"]


def test_holm_runs_over_all_optimism_gaps_of_the_study(own_tree: Tree) -> None:
    results, _ = own_tree
    document = study_document() | {"scoring": {"resamples": 100}}
    for number, method in enumerate(("emonas", "random")):
        document["methods"][method]["scopes"] = ["per_group", "whole_matched"]
        finish(results / f"runs/ckplus-7n-rendered/kfold4/{method}/whole_matched/s0/t0", 5 + number, 0.95)
    study = study_of(document)
    rows = records_of(study_statistics(results, comparison(results, study), study).optimism)
    p = [row["p"] for row in rows]
    assert len(rows) == 2 and [row["p_holm"] for row in rows] == holm(p) != p


def test_other_samples_are_no_family(own_tree: Tree) -> None:
    results, study = own_tree
    path = results / "runs/ckplus-7n-rendered/kfold4/random/per_group/s0/t0/predictions.parquet"
    write_parquet(path, pd.read_parquet(path).iloc[:-1])
    found = study_statistics(results, comparison(results, study), study)
    assert len(rows_of(found.paired, "ckplus-7n", "kfold4")) == 3
    assert any("random was tested on other samples" in text for text in found.left_out)


def test_the_optimism_gap_is_printed_where_both_scopes_ran(own_tree: Tree) -> None:
    results, _ = own_tree
    document = study_document()
    document["methods"]["emonas"]["scopes"] = ["per_group", "whole_matched"]
    study = study_of(document)
    finish(results / "runs/ckplus-7n-rendered/kfold4/emonas/whole_matched/s0/t0", 5, 0.95)
    frame = comparison(results, study)
    matched = frame[frame["search_scope"] == "whole_matched"]
    assert "test subjects" in matched["leaks"].iloc[0]
    found = study_statistics(results, frame, study)
    (row,) = records_of(found.optimism)
    assert row["method"] == "emonas" and row["gap"] > 0 and row["low"] < row["gap"] < row["high"]
    assert row["p_holm"] == row["p"]  # one gap is its own family
    records = records_of(frame[frame["task"] == "ckplus-7n"].sort_values("uar", ascending=False))
    first = winner(records)
    assert first is not None and records[0]["search_scope"] == "whole_matched" and first["method"] == "emonas"
    against = found.against_best(records)
    assert against["emonas (whole_matched)"]["difference"] < 0 < against["random"]["difference"]
    assert "whole_matched" not in lead(records, 1 / 7, against)
    tags = best_runs(results, frame)
    assert tags["ckplus-7n-rendered/kfold4/emonas/per_group/s0"] == "true"
    assert tags["ckplus-7n-rendered/kfold4/emonas/whole_matched/s0"] == "false"
    html = report_of(results, study).read_text(encoding="utf-8")
    assert "Optimism gap" in html and "when the search saw test subjects" in html
    assert (results / "tables/optimism.csv").read_text().count("\n") == 2


def test_search_and_training_seeds_are_separate_terms(own_tree: Tree) -> None:
    results, _ = own_tree
    document = study_document()
    document["methods"]["emonas"]["search_seeds"] = 3
    study = study_of(document)
    base = results / "runs/ckplus-7n-rendered/kfold4/emonas/per_group"
    for search in (1, 2):
        for training in (0, 1):
            finish(base / f"s{search}/t{training}", 10 * search + training, 0.3 * search)
    found = study_statistics(results, comparison(results, study), study)
    (row,) = [row for row in records_of(found.variance) if row["method"] == "emonas" and row["task"] == "ckplus-7n"]
    assert row["searches"] == 3 and row["trainings"] == 6
    assert row["search_sd"] > row["training_sd"] > 0 and 0 < row["search_share"] < 1


def test_ranks_over_five_datasets_have_an_image(tmp_path: Path) -> None:
    study, frame = ranked_study(tmp_path, 5)
    ranks = study_ranks(frame, study)
    assert ranks["available"] and ranks["ranks"] == {"strong": 1, "middle": 2, "weak": 3}
    svg = ranks_svg(ranks)
    assert "strong" in svg and "critical difference" in svg and svg == ranks_svg(ranks)
    html = report_of(tmp_path, study).read_text(encoding="utf-8")
    assert "Mean ranks over 5 datasets: strong 1.00, middle 2.00, weak 3.00" in html
    assert (tmp_path / "tables/drawings/ranks.svg").is_file()


def test_datasets_with_the_same_subjects_and_rendered_ones_beside_real_ones_are_no_ranks(tmp_path: Path) -> None:
    names = ["casme2", "smic", "samm", "megc2019", "ckplus", "jaffe", "mug"]
    document = study_document()
    document["datasets"] = {name: {"source": "real", "root": "/x"} for name in names} | {"disfa": {}}
    study = study_of(document)
    rows = [
        {"dataset": name, "task": f"{name}-t", "protocol": "p", "method": method, "uar": value, "status": "ok",
         "search_scope": "no_data", "rendered": name == "disfa"}
        for name in [*names, "disfa"] for method, value in (("a", 0.9), ("b", 0.6), ("c", 0.2))
    ]  # fmt: skip
    ranks = study_ranks(pd.DataFrame(rows), study)
    assert ranks["available"] and ranks["datasets"] == 6 and not ranks["rendered"]
    assert ranks["left_out"] == ["disfa (rendered)", "megc2019 (same subjects as casme2, smic, samm)"]
    rendered = study_ranks(pd.DataFrame(rows).assign(rendered=True), study)
    assert rendered["rendered"] and rendered["datasets"] == 7
    few = study_ranks(pd.DataFrame([row for row in rows if row["dataset"] not in ("jaffe", "mug")]), study)
    assert not few["available"] and "4 datasets" in few["reason"]


def test_four_datasets_are_too_few_for_ranks(tmp_path: Path) -> None:
    study, frame = ranked_study(tmp_path, 4)
    ranks = study_ranks(frame, study)
    assert not ranks["available"] and "at least 5 datasets" in ranks["reason"]
    assert not study_ranks(comparison(tmp_path / "nothing", study), study)["available"]


def test_a_collapse_stands_beside_the_score(own_tree: Tree) -> None:
    results, study = own_tree
    for group in (0, 1):
        path = results / f"runs/ckplus-7n-rendered/kfold4/emonas/per_group/s0/g{group}/architecture.json"
        document = read_json(path)
        document["normal"] = [["skip_connect", pair[1]] for pair in document["normal"]]
        write_json(path, document)
    html = report_of(results, study).read_text(encoding="utf-8")
    line = next(text for text in (results / "comparison.md").read_text().splitlines() if text.startswith("| emonas"))
    assert "collapse in 2 of 2 searches" in line and "8 + " in line and "100 % to 91 %" in line
    assert "collapse in 2 of 2 searches" in html
