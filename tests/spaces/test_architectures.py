"""Discretisation, sampling and drawing."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import NamedArchitecture, architecture_json, parse_architecture
from fernas.core.errors import ConfigError, ContractError
from fernas.core.plugins import load
from fernas.spaces.cell_space import edge_list
from fernas.spaces.draw import draw_svg
from fernas.spaces.networks import build_network
from fernas.spaces.sampling import random_architecture
from fernas.spaces.supernet import architecture_of, discretise, make_supernet
from tests.spaces.examples import AUTOFERNET, EMONAS, cells

SPACES = ("emonas", "darts", "autofernet")


def test_the_spaces_hold_the_published_operations():
    assert len(load("spaces", "emonas").operations) == 7
    assert load("spaces", "darts").operations[0] == "none"
    assert load("spaces", "autofernet").operations == (
        "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
        "dil_conv_5x5", "ghost", "conv_1x1", "conv_3x3",
    )  # fmt: skip
    assert load("spaces", "emonas").edges == 14


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


def test_random_architectures_depend_on_the_generator_alone():
    first, second = (random_architecture("emonas", np.random.default_rng(7)) for _ in range(2))
    assert first == second != random_architecture("emonas", np.random.default_rng(8))


def test_random_operations_and_inputs_are_uniform():
    rng = np.random.default_rng(0)
    pairs = [pair for _ in range(400) for pair in random_architecture("emonas", rng).normal[4:6]]
    inputs = np.bincount([source for _, source in pairs]) / len(pairs)
    operations = np.unique([name for name, _ in pairs], return_counts=True)[1] / len(pairs)
    assert np.allclose(inputs, 1 / 4, atol=0.05)
    assert np.allclose(operations, 1 / 7, atol=0.04)


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


def test_decisions_are_checked():
    net = make_supernet("darts", 3, 8)
    with pytest.raises(ConfigError, match="kind must be one of"):
        net.set_decisions("normals", {})
    with pytest.raises(ConfigError, match="edge must be in 0..13"):
        net.set_decisions("normal", {14: None})
    with pytest.raises(ConfigError, match="has no operation 'none'"):
        net.set_decisions("normal", {0: "none"})
    with pytest.raises(ConfigError, match="form must be one of"):
        make_supernet("darts", form="quick")


@pytest.mark.parametrize("document", [EMONAS, AUTOFERNET])
def test_drawings_are_well_formed_and_name_every_operation(document):
    svg = draw_svg(cells(document))
    root = ET.fromstring(svg)
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    for name, _ in [*document["normal"], *document["reduce"]]:
        assert name in texts
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in (e for e in root.iter() if e.tag.endswith("rect")):
        assert float(rect.get("x")) >= 0 and float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height


def test_drawings_escape_names():
    svg = draw_svg(NamedArchitecture(name="<b>&co"))
    assert ET.fromstring(svg) is not None and "<b>" not in svg
