"""Published parameter counts, multiply-adds, bytes, latency."""

import numpy as np
import pytest
import torch
from safetensors.torch import save

from fernas.core.errors import ConfigError
from fernas.search.file import read_cells
from fernas.spaces.complexity import complexity, count_macs, latency, macs, params, saved_bytes, supernet_macs
from fernas.spaces.networks import build_network
from fernas.spaces.sampling import random_architecture
from tests.fixtures.architectures import AUTOFERNET, EMONAS, cells, named
from tests.fixtures.supernets import decided_macs


@pytest.mark.parametrize(
    ("name", "count"), [("darts_v1", 3_169_414), ("darts_v2", 3_349_342), ("pdarts", 3_433_798), ("pcdarts", 3_634_678)]
)
def test_published_cells_have_the_published_number_of_parameters(name, count):
    """In millions 3.2, 3.3, 3.4 and 3.6 in the papers, at 36 channels and 20 cells on CIFAR-10."""
    found = complexity(read_cells(name), cells=20, channels=36, classes=10, input=(3, 32, 32))
    assert (found["params"], found["params_aux"]) == (count, 476_426)
    assert found["weight_bytes"] == 4 * count


def test_autofernet_has_the_published_number_of_parameters():
    found = complexity(cells(AUTOFERNET), cells=12, channels=36, classes=7, input=(1, 48, 48))
    assert (found["params"], found["params_aux"]) == (2_164_831, 474_119)
    assert round(found["macs"] / 1e6) == 837
    assert params(cells(AUTOFERNET), cells=20, channels=36, classes=7, input_shape=(1, 48, 48)) == 4_119_703
    smaller = macs(cells(AUTOFERNET), cells=12, channels=36, classes=7, input_shape=(1, 44, 44))
    assert round(smaller / 1e6) == 703


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mobilenet_v2", 3_504_872),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("resnet50", 25_557_032),
        ("resnet18", 11_689_512),
    ],
)
def test_named_networks_have_torchvisions_counts(name, count):
    assert params(named(name), classes=1000, input_shape=(3, 224, 224)) == count


def test_emonas_default_width_gives_about_half_a_million_parameters():
    """Medians of 300 random seven-operation architectures at L = 8, C = 24 (methods, 1.3): 0.43 / 0.53 / 0.67 M."""
    rng = np.random.default_rng(0)
    counts = [
        params(random_architecture("emonas", rng), cells=8, channels=24, classes=7, input_shape=(3, 64, 64))
        for _ in range(5)
    ]
    assert 0.4e6 < np.median(counts) < 0.7e6


def test_macs_of_one_convolution_and_one_linear_layer():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1, groups=1), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 5))
    assert count_macs(net, (3, 8, 8)) == 4 * 4 * 8 * 3 * 9 + 128 * 5


def test_a_depthwise_convolution_costs_one_channel_per_output():
    assert count_macs(torch.nn.Conv2d(8, 8, 3, 1, 1, groups=8), (8, 5, 5)) == 5 * 5 * 8 * 9


def test_parameters_leave_the_auxiliary_head_out_whether_the_network_has_one_or_not():
    arch = cells(EMONAS, cells=3, channels=4, classes=7, input=(3, 32, 32))
    assert params(arch, aux=True) == params(arch, aux=False)
    assert sum(p.numel() for p in build_network(arch, aux=True).parameters()) > params(arch)


def test_saved_bytes_is_the_size_of_the_safetensors_file():
    net = build_network(cells(EMONAS), classes=7, input_shape=(3, 32, 32), cells=3, channels=8)
    assert saved_bytes(net) == len(save(net.state_dict()))


def test_flags_override_the_network_block():
    arch = cells(EMONAS, cells=3, channels=8, classes=7, input=(3, 32, 32))
    assert complexity(arch)["params"] < complexity(arch, channels=16)["params"]
    assert complexity(arch, input=(3, 64, 64))["macs"] > 3 * complexity(arch)["macs"]
    assert complexity(arch, stem="stride2")["macs"] < 0.4 * complexity(arch)["macs"]


def test_a_missing_value_is_named():
    with pytest.raises(ConfigError, match="network.cells is not given"):
        complexity(cells(EMONAS), channels=8, classes=7, input=(3, 32, 32))


def test_latency_leaves_the_threads_alone():
    before = torch.get_num_threads()
    net = build_network(cells(EMONAS), classes=7, input_shape=(3, 16, 16), cells=3, channels=8)
    found = latency(net, (3, 16, 16), repeats=2, threads=1)
    assert 0 < found["latency_ms_min"] <= found["latency_ms"] <= found["latency_ms_max"]
    assert torch.get_num_threads() == before
    assert net.training


def test_decided_edges_cost_less():
    whole = supernet_macs("emonas", 3, 8, (3, 32, 32))
    pruned = decided_macs("emonas", 3, 8, (3, 32, 32), 7, {"normal": {e: None for e in range(1, 14)}})
    assert pruned < whole


def test_macs_do_not_depend_on_compiled_cells(monkeypatch):
    arch = cells(EMONAS, cells=3, channels=8, classes=7, input=(3, 32, 32))
    counted = macs(arch)
    monkeypatch.setenv("FERNAS_KERNELS", "0")
    assert counted == macs(arch)
