import copy
from pathlib import Path

import pytest
import yaml

from fernas.core.errors import ConfigError
from fernas.study import Study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def document():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


CONFIGS = sorted([ROOT / "config.yaml", *(ROOT / "configs").glob("*.yaml")])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_shipped_configs_are_valid(path):
    Study.load(path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["methds"], {}, r"methds: unknown key \(did you mean 'methods'\?\)"),
        (["methods", "emonas", "netwrk"], {}, r"methods.emonas.netwrk: unknown key \(did you mean 'network'\?\)"),
        (["methods", "emonas", "search"], "darts_frist", r"'darts_frist' \(did you mean 'darts_first'\?\)"),
        (["methods", "emonas", "space"], "emonass", r"did you mean 'emonas'"),
        (["methods", "emonas", "search_options", "epoch"], 3, r"epoch: unknown key \(did you mean 'epochs'\?\)"),
        (["methods", "emonas", "network", "cells"], "many", r"network.cells: .*got 'many'"),
        (["tasks", "ckplus-7n", "dataset"], "ckpls", r"did you mean 'ckplus'"),
        (["tasks", "megc2019-3", "classes"], ["negatve", "positive"], r"'negatve' \(did you mean 'negative'\?\)"),
        (["tasks", "ckplus-7n", "view"], "still", r"tasks.ckplus-7n.view: unknown name 'still'"),
        (["protocols", "subject4", "kind"], "kfold", r"protocols.subject4.kind: unknown name 'kfold'"),
        (["protocols", "subject4", "parts"], {"weights": 0.9}, r"must be 1"),
        (["datasets", "ckplus", "rendered", "subject"], 3, r"did you mean 'subjects'"),
        (
            ["protocols", "subject4", "stratify"],
            False,
            r"subject4.stratify: got false, but class counts divide the folds",
        ),
        (["seed"], "x", r"seed: .*got 'x'"),
        (["study", 0, "methods"], ["emonas", "emonas"], r"stands there twice"),
    ],
)
def test_one_clear_message_for_a_bad_key(document, path, value, message):
    broken = copy.deepcopy(document)
    place = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(ConfigError, match=message):
        Study.parse(broken)


@pytest.mark.parametrize("results", ["mine", "mine/results", "other/../mine/x"])
def test_results_in_the_root_of_a_dataset_are_refused(document, tmp_path, results):
    document["datasets"]["ckplus"] |= {"source": "real", "root": str(tmp_path / "mine")}
    Study.parse(document | {"results": str(tmp_path / "results")})
    with pytest.raises(ConfigError, match=r"datasets.ckplus.root: results .* lie in it"):
        Study.parse(document | {"results": str(tmp_path / results)})


def test_not_a_mapping_and_not_yaml(tmp_path):
    with pytest.raises(ConfigError, match="expected a mapping"):
        Study.parse([1])
    path = tmp_path / "c.yaml"
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="not valid yaml"):
        Study.load(path)
    with pytest.raises(ConfigError, match="No such file"):
        Study.load(tmp_path / "absent.yaml")


def test_composite_and_parts_must_have_one_source(document):
    document["datasets"]["samm"] = {"source": "real", "root": "/somewhere"}
    with pytest.raises(ConfigError, match="must have one source"):
        Study.parse(document)
