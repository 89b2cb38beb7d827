"""What rules pass to their scripts: a change of it runs a stage again, so it holds what matters and nothing else."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fernas.core.seeds import derive_seed
from fernas.study import Study
from fernas.workflow import params

ROOT = Path(__file__).resolve().parents[2]
WILDCARDS = SimpleNamespace(
    task="ckplus-7n-rendered", protocol="subject4", method="emonas", scope="per_group", search_seed="0",
    train_seed="1", fold_group="2",
)  # fmt: skip


@pytest.fixture
def document():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_seeds_come_from_names_without_the_suffix_of_synthetic_faces(document):
    study = Study.parse({**document, "seed": 5})
    names = ("ckplus-7n", "subject4", "emonas", "per_group", "0")
    assert params.search_seed(study, WILDCARDS) == derive_seed(5, "search", *names, "2")
    assert params.train_seed(study, WILDCARDS) == derive_seed(5, "train", *names, "1")
    assert params.split_section(study, WILDCARDS)["seed"] == derive_seed(5, "folds", "ckplus-7n", "subject4")


def test_every_wildcard_of_a_job_gives_it_another_seed(document):
    study = Study.parse(document)
    for seed, names in (
        (params.search_seed, ("protocol", "scope", "search_seed", "fold_group")),
        (params.train_seed, ("protocol", "scope", "search_seed", "train_seed")),
    ):
        other = [seed(study, SimpleNamespace(**{**vars(WILDCARDS), name: "9"})) for name in names]
        assert len({seed(study, WILDCARDS), *other}) == 5


@pytest.mark.parametrize(
    ("change", "searched", "trained"),
    [
        ({"recipe_options": {"epochs": 3}}, False, True),
        ({"search_options": {"epochs": 3}}, True, False),
        ({"network": {"cells": 3, "channels": 4}}, True, True),
        ({"mem_mb": 4000, "search_seeds": 4, "extra_data": True}, False, False),
    ],
)
def test_a_change_of_a_method_reaches_only_the_stages_that_it_touches(document, change, searched, trained):
    before = Study.parse(document)
    changed = copy.deepcopy(document)
    changed["methods"]["emonas"].update(change)
    after = Study.parse(changed)
    sections = (params.search_section, params.train_section)
    differs = [section(before, "emonas") != section(after, "emonas") for section in sections]
    assert differs == [searched, trained]


def test_the_order_of_keys_is_no_change(document):
    turned = copy.deepcopy(document)
    turned["methods"]["emonas"] = dict(reversed(turned["methods"]["emonas"].items()))
    one, other = (params.search_section(Study.parse(d), "emonas") for d in (document, turned))
    assert repr(one) == repr(other)


def test_datasets_with_names_of_their_own_keep_their_adapters(document):
    document["datasets"]["smic_vis"] = {"adapter": "smic", "rendered": {"subjects": 3}}
    document["datasets"]["lab"] = {"adapter": "custom", "source": "real", "root": "/lab"}
    study = Study.parse(document)
    source = params.source_section(study.datasets["smic_vis"])
    assert source == {
        "name": "smic_vis",
        "roots": {"smic_vis": str(study.layout.rendered("smic_vis").root)},
        "adapters": {"smic_vis": "smic"},
    }
    assert params.adapter_modules(study.datasets["lab"]) == ["fernas.datasets.custom"]
    assert params.layout_module(study, "smic_vis") == "fernas.synth.layouts.smic"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"results": "elsewhere"}, True),
        ({"device": "cuda"}, True),
        ({"threads": 7}, True),
        ({"code_digest": "frozen"}, True),
        ({"keep_models": True}, True),
        ({"checkpoint": {"every_s": 5}}, True),
        ({"tracking": {"enabled": False, "uri": "http://somewhere", "every_s": 60}}, True),
        ({"final": []}, True),
        ({"tracking": {"real_faces": True}}, False),
        ({"seed": 8}, False),
        ({"scoring": {"level": 0.9}}, False),
    ],
)
def test_tables_depend_on_all_but_how_jobs_run(document, change, same):
    before, after = (params.results_config(Study.parse(d)) for d in (document, {**document, **change}))
    assert (before == after) is same


def test_the_memory_of_a_method_is_no_matter_of_the_tables(document):
    changed = copy.deepcopy(document)
    changed["methods"]["emonas"]["mem_mb"] = 9000
    assert params.results_config(Study.parse(changed)) == params.results_config(Study.parse(document))
