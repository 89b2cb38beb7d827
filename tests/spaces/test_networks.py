"""From an architecture to a network: shapes, the network block, names that are refused."""

import pytest
import torch

from fernas.core.errors import ConfigError
from fernas.spaces.networks import build_network, network_shape
from tests.fixtures.architectures import AUTOFERNET, EMONAS, cells, named


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (9, 9)])
@pytest.mark.parametrize("document", [EMONAS, AUTOFERNET])
def test_forward_on_even_and_odd_sizes(document, size):
    net = build_network(cells(document), classes=5, input_shape=(1, *size), cells=3, channels=8, aux=True)
    logits, aux = net(torch.randn(2, 1, *size))
    assert logits.shape == aux.shape == (2, 5)
    assert net.eval()(torch.randn(2, 1, *size)).shape == (2, 5)


def test_unknown_names_and_operations_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'vgg16'"):
        build_network(named("vgg1_6"), classes=3, input_shape=(3, 48, 48))
    document = {**EMONAS, "normal": [["ghost", 0], *EMONAS["normal"][1:]]}
    with pytest.raises(ConfigError, match=r"normal\[0\].*'emonas' has no operation 'ghost'"):
        build_network(cells(document), classes=5, input_shape=(3, 16, 16), cells=3, channels=8)


def test_the_file_gives_what_the_call_leaves_out():
    arch = cells(EMONAS, cells=3, channels=8, classes=5, input=(1, 16, 16))
    assert build_network(arch)(torch.randn(2, 1, 16, 16)).shape == (2, 5)
    assert network_shape(arch, classes=None).classes == 5
    assert network_shape(arch, classes=9).classes == 9
    with pytest.raises(ConfigError, match="network.cells must be in 1..200"):
        network_shape(arch, cells=0)
