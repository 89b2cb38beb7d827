"""Cells of final networks: compiled and plain, drop path, auxiliary head."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.spaces.cells import drop_path
from fernas.spaces.kernels import library
from fernas.spaces.kernels import network as network_module
from fernas.spaces.networks import build_network, set_drop_path
from fernas.spaces.sampling import random_architecture
from tests.fixtures.architectures import AUTOFERNET, EMONAS, cells
from tests.fixtures.supernets import gradients

needs_kernels = pytest.mark.skipif(library.load(torch.float64) is None, reason="no C++ compiler here")
CASES = {
    "emonas, drop path": (cells(EMONAS), (12, 12), {"channels": 8}, 0.3),
    "odd maps, auxiliary head": (cells(EMONAS), (13, 10), {"channels": 16, "aux": True}, 0.0),
    "ghost and plain convolutions": (cells(AUTOFERNET), (9, 12), {"channels": 16, "aux": True}, 0.4),
    "C = 24, stride-2 stem": (cells(EMONAS), (18, 18), {"channels": 24, "stem": "stride2"}, 0.2),
    "two cells": (cells(EMONAS), (8, 8), {"channels": 8, "cells": 2}, 0.2),
    "three nodes": (random_architecture("darts", np.random.default_rng(1), nodes=3), (10, 10), {"channels": 8}, 0.0),
}


def network(arch, size, sizes):
    torch.manual_seed(0)
    net = build_network(arch, classes=5, input_shape=(3, *size), **{"cells": 3, **sizes}).double()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5), module.bias.uniform_(-0.5, 0.5)
    return net


def outcome(net, x, y, drop):
    """Loss, logits, gradients and statistics of one training pass, then evaluation."""
    set_drop_path(net, drop)
    torch.manual_seed(5)
    logits = net(x)
    parts = list(logits) if isinstance(logits, tuple) else [logits]
    sum(F.cross_entropy(part, y) for part in parts).backward()
    found = {"logits": parts, "gradients": gradients(net.parameters()), "buffers": list(net.buffers())}
    with torch.no_grad():
        found["evaluation"] = [net.eval()(x)]
    return found


@needs_kernels
@pytest.mark.parametrize("name", CASES)
def test_compiled_cells_equal_the_modules(name, monkeypatch):
    arch, size, sizes, drop = CASES[name]
    x = torch.randn(4, 3, *size, dtype=torch.float64)
    y = torch.arange(4)
    taken = []
    run_cells = network_module.run_cells
    monkeypatch.setattr(network_module, "run_cells", lambda *a: taken.append(1) or run_cells(*a))
    ours = outcome(network(arch, size, sizes), x, y, drop)
    assert len(taken) == 2
    with library.disabled():
        theirs = outcome(network(arch, size, sizes), x, y, drop)
    assert len(taken) == 2
    for key in theirs:
        floor = 1e-6 * max(g.abs().max().item() for g in theirs["gradients"]) if key == "gradients" else 1.0
        for a, b in zip(ours[key], theirs[key], strict=True):
            assert (a - b).abs().max().item() < 1e-9 * max(b.abs().max().item(), floor), key


@needs_kernels
def test_the_same_seed_gives_the_same_bits():
    arch, size, sizes, drop = CASES["ghost and plain convolutions"]
    x, y = torch.randn(4, 3, *size, dtype=torch.float64), torch.arange(4)
    first, second = (outcome(network(arch, size, sizes), x, y, drop) for _ in range(2))
    assert all(torch.equal(a, b) for key in first for a, b in zip(first[key], second[key], strict=True))


def test_an_output_of_some_nodes_runs_on_the_modules():
    arch = cells({**EMONAS, "normal_concat": [4, 5]})
    net = build_network(arch, classes=5, input_shape=(3, 12, 12), cells=4, channels=8)
    assert not net.all_nodes
    assert net(torch.randn(2, 3, 12, 12)).shape == (2, 5)


def test_the_stride_two_stem_quarters_the_maps_at_the_same_parameters():
    sizes = {"classes": 5, "input_shape": (3, 32, 32), "cells": 3, "channels": 8}
    plain, strided = (build_network(cells(EMONAS), stem=stem, **sizes) for stem in ("plain", "stride2"))
    x = torch.randn(2, 3, 32, 32)
    assert plain.stem(x).shape[2:] == (32, 32)
    assert strided.stem(x).shape[2:] == (16, 16)
    assert [p.shape for p in plain.parameters()] == [p.shape for p in strided.parameters()]


def test_the_auxiliary_head_stands_behind_the_second_reduction():
    net = build_network(cells(EMONAS), classes=5, input_shape=(3, 32, 32), cells=8, channels=8, aux=True)
    assert net.aux_at == 5
    assert net.aux.conv_1.in_channels == 4 * 32
    assert not isinstance(net.eval()(torch.randn(1, 3, 32, 32)), tuple)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    y = drop_path(torch.ones(4000, 2, 3, 3), 0.25)
    per_sample = y.flatten(1)
    assert torch.equal(per_sample.min(1).values, per_sample.max(1).values)
    assert sorted(set(per_sample[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    assert abs(y.mean().item() - 1) < 0.03


def test_drop_path_spares_identity_edges():
    document = {**EMONAS, "normal": [["skip_connect", s] for s in (0, 1, 0, 1, 0, 1, 0, 1)]}
    net = build_network(cells(document), classes=5, input_shape=(3, 16, 16), cells=4, channels=8)
    set_drop_path(net, 1 - 1e-6)
    cell = net.cells[0]
    s = torch.randn(2, 24, 8, 8)
    assert torch.equal(cell(s, s)[:, :8], cell.pre_0(s) + cell.pre_1(s))
    set_drop_path(net, 0.0)
    assert all(c.drop_path_p == 0.0 for c in net.cells)
