"""From alphas to an architecture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import architecture_json, parse_architecture
from fernas.core.errors import ContractError
from fernas.core.plugins import load
from fernas.spaces.cell_space import edge_list
from fernas.spaces.networks import build_network
from fernas.spaces.sampling import random_architecture
from fernas.spaces.supernet import architecture_of, discretise, make_supernet

SPACES = ("emonas", "darts", "autofernet")


def test_discretise_follows_the_rule_of_darts():
    """By hand: node 1 has inputs 0, 1, 2; `none` never counts, whatever its weight."""
    space = load("spaces", "darts")
    alpha = torch.zeros(14, 8)
    skip, sep3 = space.operations.index("skip_connect"), space.operations.index("sep_conv_3x3")
    alpha[0, skip] = 1.0  # node 0, input 0
    alpha[1, sep3] = 2.0  # node 0, input 1
    alpha[2, 0] = 9.0  # node 1, input 0: strong none, so weak others
    alpha[3, skip] = 0.5  # node 1, input 1
    alpha[4, sep3] = 0.1  # node 1, input 2
    arch = discretise("darts", alpha, alpha)
    assert arch.normal[:4] == (("skip_connect", 0), ("sep_conv_3x3", 1), ("skip_connect", 1), ("sep_conv_3x3", 2))
    assert arch.normal_concat == (2, 3, 4, 5)
    assert arch.normal[4:] == (("max_pool_3x3", 0), ("max_pool_3x3", 1)) * 2  # ties: lower input, earlier operation


@pytest.mark.parametrize("space", SPACES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_discretised_and_random_architectures_are_whole(space, seed):
    torch.manual_seed(seed)
    width = len(load("spaces", space).operations)
    found = discretise(space, torch.randn(14, width), torch.randn(14, width))
    drawn = random_architecture(space, np.random.default_rng(seed))
    for arch in (found, drawn):
        assert parse_architecture(architecture_json(arch)) == arch
        for pairs in (arch.normal, arch.reduce):
            assert len(pairs) == 8
            for node in range(4):
                (a, i), (b, j) = pairs[2 * node : 2 * node + 2]
                assert 0 <= i < j < 2 + node
                assert {a, b} <= set(load("spaces", space).choices)


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_other_numbers_of_nodes(nodes):
    arch = random_architecture("emonas", np.random.default_rng(0), nodes=nodes)
    net = build_network(arch, classes=4, input_shape=(3, 12, 12), cells=3, channels=8)
    assert net(torch.randn(2, 3, 12, 12)).shape == (2, 4)
    supernet = make_supernet("emonas", 3, 8, nodes=nodes, form="plain")
    assert discretise("emonas", *supernet.alphas()).nodes == nodes


def test_wrong_shapes_of_alphas_are_refused():
    with pytest.raises(ContractError, match="expected \\(edges, 7\\)"):
        discretise("emonas", torch.zeros(14, 8), torch.zeros(14, 7))
    with pytest.raises(ContractError, match="13 edges"):
        discretise("emonas", torch.zeros(13, 7), torch.zeros(13, 7))


def test_architecture_of_decided_edges():
    decided = {e: "skip_connect" if source < 2 else None for e, (_, source) in enumerate(edge_list(4))}
    arch = architecture_of("emonas", decided, decided)
    assert arch.reduce == (("skip_connect", 0), ("skip_connect", 1)) * 4
    with pytest.raises(ContractError, match="node 0 has 1 decided"):
        architecture_of("emonas", {**decided, 0: None}, decided)
