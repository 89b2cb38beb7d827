"""The compiled loops compute the final network's cells as its modules do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.spaces.kernels import library as kernels
from fernas.spaces.kernels import network as compiled
from fernas.spaces.networks import build_network, set_drop_path
from fernas.spaces.sampling import random_architecture
from tests.spaces.equality import gradients
from tests.spaces.examples import AUTOFERNET, EMONAS, cells

needs_kernels = pytest.mark.skipif(kernels.load(torch.float64) is None, reason="no C++ compiler here")
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
    run_cells = compiled.run_cells
    monkeypatch.setattr(compiled, "run_cells", lambda *a: taken.append(1) or run_cells(*a))
    ours = outcome(network(arch, size, sizes), x, y, drop)
    assert len(taken) == 2
    with kernels.disabled():
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
