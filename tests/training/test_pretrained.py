"""Weights from a file that the config names: matched by name and shape, shown in tables, never of another network."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from fernas.core.architecture import NamedArchitecture
from fernas.core.errors import ConfigError, ContractError
from fernas.core.io import read_jsonl
from fernas.spaces.networks import build_network
from fernas.training.pretrained import PretrainedConfig, load_pretrained, read_weights
from tests.fixtures.toy_jobs import train_toy, write_small_cnn
from tests.fixtures.toy_task import write_task


def network(name="small_cnn", classes=3, size=16):
    return build_network(NamedArchitecture(name=name), classes=classes, input_shape=(3, size, size))


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(7)
    path = tmp_path / "seven.pth"
    torch.save(network(classes=7).state_dict(), path)
    return path


def test_all_but_the_last_layer_is_taken(weights):
    net = network()
    fresh = load_pretrained(net, read_weights(weights, None), str(weights))
    assert fresh == ["classifier.weight", "classifier.bias"]
    torch.manual_seed(7)
    for (name, value), other in zip(net.state_dict().items(), network(classes=7).state_dict().values(), strict=True):
        assert name in fresh or torch.equal(value, other)


def test_the_same_classes_take_everything(weights, tmp_path):
    net = network(classes=7)
    assert load_pretrained(net, read_weights(weights, None), "") == []
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    again = read_weights(tmp_path / "w.safetensors", None)
    assert all(torch.equal(again[name], value) for name, value in net.state_dict().items())


def test_a_small_image_of_an_enlarging_network_takes_them_too():
    small = network("vgg16", 3, 24)
    assert small(torch.zeros(2, 3, 24, 24)).shape == (2, 3)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(ContractError, match="another network"):
        load_pretrained(network("resnet18"), read_weights(weights, None), str(weights))


def test_what_is_no_file_of_weights_is_one_message(tmp_path, weights):
    with pytest.raises(ConfigError, match="no such file"):
        read_weights(tmp_path / "none.pth", None)
    (tmp_path / "odd.pth").write_bytes(b"not weights")
    with pytest.raises(ContractError, match="can't be read"):
        read_weights(tmp_path / "odd.pth", None)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ContractError, match="state dictionary"):
        read_weights(tmp_path / "list.pth", None)
    with pytest.raises(ConfigError, match="sha256"):
        read_weights(weights, "0" * 64)
    assert read_weights(weights, hashlib.sha256(weights.read_bytes()).hexdigest())


def test_the_recipe_starts_every_fold_from_them(weights, tmp_path):
    architecture = write_small_cnn(tmp_path / "architecture.json")
    options = {"weights": str(weights), "trained_on": "bars of seven kinds", "epochs": 1, "batch": 8}
    method = {"recipe": "pretrained", "recipe_options": options}
    assert train_toy(write_task(tmp_path / "task"), tmp_path / "out", [architecture], method, seed=1) == "ok"
    starts = [row for row in read_jsonl(tmp_path / "out" / "training.jsonl") if row.get("kind") == "start"]
    assert [row["fold"] for row in starts] == [0, 1] and starts[0]["trained_on"] == "bars of seven kinds"


def test_the_source_must_be_named():
    with pytest.raises(ValueError, match="trained_on"):
        PretrainedConfig(weights="x.pth")
