"""Datasets under free names, composites of the config, who shows the same people, the full benchmark's roots."""

import copy
from pathlib import Path

import pytest
import yaml

from fernas.core import composites, grid
from fernas.core.config import load_config, parse_config
from fernas.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shipped():
    return yaml.safe_load((ROOT / "configs/datasets.yaml").read_text())


@pytest.fixture
def document(shipped):
    return copy.deepcopy(shipped)


def refused(document, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(document)


def test_names_adapters_and_parts(document):
    document["datasets"]["lab"] = {"adapter": "custom", "source": "real", "root": "/lab"}
    document["datasets"]["smic_vis"] = {"adapter": "smic", "options": {"camera": "VIS"}}
    config = parse_config(document)
    assert (
        composites.adapter_name(config, "lab") == "custom" and composites.adapter_name(config, "macro") == "composite"
    )
    assert composites.adapter_names(config, "lab") == {"lab": "custom"}
    assert composites.adapter_names(config, "megc2019") == {} and composites.adapter_names(config, "macro") == {
        "macro": "composite"
    }
    assert composites.sources_of(config, "macro") == ("ckplus", "oulu", "jaffe")
    assert composites.is_rendered(config, "macro") and not composites.is_rendered(config, "lab")
    assert {"lab", "smic_vis", "macro"} == set(grid.more_targets(config))
    people = composites.same_people(config, config.datasets)
    assert people["smic_vis"] == ["smic", "megc2019"]  # another camera, the same people
    assert people["ck48"] == ["ckplus", "macro"] and people["lab"] == []


@pytest.mark.parametrize(
    ("name", "section", "message"),
    [
        ("my-lab", {"adapter": "custom", "source": "real"}, r"the name 'my-lab' is not of the form"),
        ("lab", {"adapter": "costum", "source": "real"}, r"datasets.lab.adapter: unknown name 'costum' \(did you mean"),
        ("lab", {"source": "real"}, r"datasets.lab: unknown name 'lab'"),
        ("lab", {"adapter": "custom"}, r"datasets.lab: unknown name 'custom'"),  # nothing renders it
        ("lab", {"adapter": "custom", "source": "real", "options": {"fil": "x"}}, r"lab.options: fil: unknown key"),
        ("lab", {"adapter": "custom", "source": "real", "same_people_as": ["jafe"]}, r"did you mean 'jaffe'"),
        ("all3", {"parts": ["ckplus"]}, r"all3.parts: got \['ckplus'\], expected at least two"),
        ("all3", {"parts": ["ckplus", "ckplus"]}, r"at least two different"),
        ("all3", {"parts": ["ckplus", "olu"]}, r"did you mean 'oulu'"),
        ("all3", {"parts": ["ckplus", "macro"]}, r"macro is itself a composite"),
        ("all3", {"parts": ["smic", "megc2019"]}, r"megc2019 is itself a composite"),
        ("all3", {"parts": ["smic", "samm"], "root": "/x"}, r"all3: a composite \(parts\) has no root of its own"),
        ("mug", {"parts": ["smic", "samm"]}, r"mug: an adapter has this name"),
        ("all3", {"parts": ["smic", "samm"], "source": "real"}, r"must have one source"),
    ],
)
def test_bad_datasets_are_named(document, name, section, message):
    document["datasets"][name] = section
    refused(document, message)


def test_datasets_of_the_same_people_are_refused_before_anything_runs(document):
    document["datasets"]["macro"]["parts"] = ["ckplus", "ck48", "oulu", "jaffe"]
    refused(document, "dataset-out: ck(plus|48) and ck(plus|48) show the same people")
    document["study"] = [{"task": "macro-6", "protocol": "ckplus-to-oulu", "methods": ["small_cnn"]}]
    parse_config(document)  # they stand on no two sides
    document["protocols"]["ckplus-to-oulu"]["options"] = {"train": ["ckplus"], "test": ["ck48"]}
    refused(document, "ckplus and ck48 show the same people, so they cannot stand on two sides")
    document["study"][0]["protocol"] = "subject4"
    refused(document, "show the same people under other names")


def test_people_that_the_config_says_are_the_same(document):
    document["datasets"]["jaffe"]["same_people_as"] = ["oulu"]
    document["study"] = [{"task": "macro-6", "protocol": "others-to-jaffe", "methods": ["small_cnn"]}]
    refused(document, "oulu and jaffe show the same people")


def test_sides_must_be_datasets_of_the_task(document):
    options = document["protocols"]["ckplus-to-oulu"]["options"]
    options["test"] = ["olu"]
    refused(document, r"unknown name 'olu' \(did you mean 'oulu'\?\); known: ckplus, jaffe, oulu")
    options["test"] = ["ckplus"]
    refused(document, "ckplus stands on both sides")
    document["study"] = [{"task": "ckplus-6", "protocol": "dataset-out", "methods": ["small_cnn"]}]
    refused(document, r"leave_one_dataset_out got one dataset \(ckplus\)")


def test_the_full_benchmark_needs_roots_and_nothing_else(tmp_path):
    path = ROOT / "configs/paper.yaml"
    config = load_config(path)
    assert set(grid.DATASET_TARGETS) <= set(config.datasets)
    assert {d.source for d in config.datasets.values() if not d.parts} == {"real"}
    assert {config.tasks[entry.task].dataset for entry in config.study} >= set(grid.DATASET_TARGETS)
    assert not list(grid.runs(config)) and {task for task, _ in grid.skipped(config)} == set(config.tasks)
    for name in grid.DATASET_TARGETS:
        with pytest.raises(ConfigError, match=r"root: missing, expected the folder of your copy"):
            grid.dataset_target(config, name)
    document = yaml.safe_load(path.read_text())
    for name, section in document["datasets"].items():
        if name not in ("macro", "megc2019"):
            section["root"] = str(tmp_path)
    full = parse_config(document)
    assert grid.skipped(full) == [] and all(grid.dataset_target(full, name) for name in grid.DATASET_TARGETS)
