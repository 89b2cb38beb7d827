"""The ablation table: what a variant differs in is read from the configuration, its difference from the predictions."""

import numpy as np
import pytest

from fernas.core.errors import ConfigError
from fernas.core.io import read_parquet
from fernas.reporting.ablation import ablation_frame, differences, variants, write_ablation
from fernas.reporting.compare import compare_study
from fernas.scoring.compare import compare_runs
from fernas.study import Study
from tests.fixtures.made_up_results import EMOTIONS, predictions, search_files, study_document, training_files
from tests.fixtures.workflow_folder import ROOT
from tests.reporting.conftest import study_of


@pytest.fixture
def variant_tree(own_tree):
    """A variant of emonas beside it on the first task."""
    results, _ = own_tree
    document = study_document()
    document["methods"]["emonas_no_skip"] = {
        **document["methods"]["emonas"], "train_seeds": 1, "search_options": {"without": ["skip_connect"]},
    }  # fmt: skip
    document["study"][0]["methods"].append("emonas_no_skip")
    rng = np.random.default_rng(3)
    base = results / "runs" / "ckplus-7n-rendered" / "kfold4" / "emonas_no_skip" / "per_group" / "s0"
    for group in range(2):
        search_files(base / f"g{group}", rng, 7)
    subjects = [f"ckplus/S{i:03d}" for i in range(8)]
    training_files(base / "t0", results, predictions(rng, EMOTIONS, subjects, 0.3), EMOTIONS)
    return results, study_of(document)


def test_variants_stand_against_their_base(variant_tree):
    results, study = variant_tree
    compare_study(results, study)
    table = ablation_frame(results, study)
    first = table[table["task"] == "ckplus-7n"]
    assert list(first["method"]) == ["emonas", "emonas_no_skip"]
    base, variant = first.iloc[0], first.iloc[1]
    assert base["differs_in"] == "" and np.isnan(base["difference"])
    assert variant["differs_in"] == "search_options.without = skip_connect"
    folder = results / "runs" / "ckplus-7n-rendered" / "kfold4"
    own = [read_parquet(folder / "emonas_no_skip" / "per_group" / "s0" / "t0" / "predictions.parquet")]
    other = [read_parquet(folder / "emonas" / "per_group" / "s0" / f"t{t}" / "predictions.parquet") for t in (0, 1)]
    expected = compare_runs(own, other, seed=study.config.seed)
    assert variant["difference"] == pytest.approx(expected["difference"]["uar"])
    assert variant["p"] == expected["permutation"]["p"] and variant["unit"] == "subject"
    assert variant["difference"] == pytest.approx(variant["uar"] - base["uar"])
    write_ablation(results, study)
    assert "without = skip" in (results / "tables" / "ablation.md").read_text()


def test_a_study_without_variants_is_told_where_some_are(own_tree):
    results, study = own_tree
    with pytest.raises(ConfigError, match=r"configs/ablation\.yaml"):
        ablation_frame(results, study)


def test_the_shipped_ablation_has_what_the_papers_tables_ask_for():
    study = Study.load(ROOT / "configs" / "ablation.yaml")
    assert {study.tasks[entry.task].dataset.name for entry in study.config.study} == {
        "ckplus",
        "disfa",
        "casme2",
        "samm",
    }
    told = {name: differences(study.methods["emonas"], study.methods[name]) for name in variants(study)}
    flat = [text for found in told.values() for text in found]
    for part in ("without", "nodes", "search_cells", "view", "search = darts_second"):
        assert any(part in text for text in flat), part
    assert all(len(found) == 1 for found in told.values()), "one thing at a time"
