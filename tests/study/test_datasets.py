"""Datasets under free names, composites of the config, who shows the same people."""

import copy
from pathlib import Path

import pytest
import yaml

from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.workflow import targets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shipped():
    return yaml.safe_load((ROOT / "configs/datasets.yaml").read_text())


@pytest.fixture
def document(shipped):
    return copy.deepcopy(shipped)


def refused(document, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(document)


def test_names_adapters_and_parts(document):
    document["datasets"]["lab"] = {"adapter": "custom", "source": "real", "root": "/lab"}
    document["datasets"]["smic_vis"] = {"adapter": "smic", "options": {"camera": "VIS"}}
    study = Study.parse(document)
    lab, macro = study.datasets["lab"], study.datasets["macro"]
    assert lab.adapter == "custom" and macro.adapter == "composite"
    assert lab.adapters == {"lab": "custom"} and macro.adapters == {"macro": "composite"}
    assert study.datasets["megc2019"].adapters == {}
    assert macro.sources == ("ckplus", "oulu", "jaffe")
    assert macro.is_rendered and not lab.is_rendered
    assert (macro.folder, lab.folder) == ("macro-rendered", "lab") and study.dataset_of("lab") is lab
    assert targets.datasets(study) == [*targets.SHIPPED, "macro", "lab", "smic_vis"]
    people = study.same_people(study.datasets)
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


def test_datasets_with_the_same_subjects_are_refused_before_anything_runs(document):
    document["datasets"]["macro"]["parts"] = ["ckplus", "ck48", "oulu", "jaffe"]
    refused(document, "dataset-out: ck(plus|48) and ck(plus|48) have the same subjects")
    document["study"] = [{"task": "macro-6", "protocol": "ckplus-to-oulu", "methods": ["small_cnn"]}]
    Study.parse(document)  # no split uses both
    document["protocols"]["ckplus-to-oulu"]["options"] = {"train": ["ckplus"], "test": ["ck48"]}
    refused(document, "ckplus and ck48 have the same subjects")
    document["study"][0]["protocol"] = "subject4"
    refused(document, "have the same subjects under other names")


def test_people_that_the_config_says_are_the_same(document):
    document["datasets"]["jaffe"]["same_people_as"] = ["oulu"]
    document["study"] = [{"task": "macro-6", "protocol": "others-to-jaffe", "methods": ["small_cnn"]}]
    refused(document, "oulu and jaffe have the same subjects")


def test_splits_must_be_datasets_of_the_task(document):
    options = document["protocols"]["ckplus-to-oulu"]["options"]
    options["test"] = ["olu"]
    refused(document, r"unknown name 'olu' \(did you mean 'oulu'\?\); known: ckplus, jaffe, oulu")
    options["test"] = ["ckplus"]
    refused(document, "ckplus is in the train split and in the test split")
    document["study"] = [{"task": "ckplus-6", "protocol": "dataset-out", "methods": ["small_cnn"]}]
    refused(document, r"leave_one_dataset_out got one dataset \(ckplus\)")
