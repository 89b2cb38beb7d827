"""Supernets with partial channels, and dropout behind their identities."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fernas.spaces.operations import search_operation
from fernas.spaces.supernet import make_supernet
from fernas.spaces.supernet.partial import PartialMixedOp, PartialSupernet, edge_weights, shuffle
from fernas.spaces.supernet.plain import MixedOp
from tests.fixtures.toy_searches import SPACE


def test_dropout_stands_behind_identities_in_training_only():
    x = torch.ones(2, 4, 6, 6)
    mixed = MixedOp(("skip_connect",), 4, 1)
    torch.manual_seed(0)
    out = mixed(x, torch.ones(1), None, 0.5)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(mixed.eval()(x, torch.ones(1), None, 0.5), x)
    reducing = MixedOp(("skip_connect",), 4, 2)
    plain = reducing(x, torch.ones(1))
    assert torch.equal(reducing(x, torch.ones(1), None, 0.9), plain)


def test_dropout_reaches_both_forms_of_the_supernet():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 12, 12)
    outs = {}
    for form in ("plain", "fast"):
        torch.manual_seed(1)
        net = make_supernet("emonas", 3, 8, form=form)
        still = net(x)
        net.set_skip_dropout(0.6)
        torch.manual_seed(2)
        outs[form] = net(x)
        assert not torch.allclose(outs[form], still)
        net.set_skip_dropout(0.0)
        assert torch.allclose(net(x), still, atol=1e-5)


def test_shuffling_mixes_the_parts():
    x = torch.arange(8.0).view(1, 8, 1, 1)
    assert shuffle(x, 4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]


def test_a_quarter_of_the_channels_is_mixed_and_the_others_pass():
    x = torch.randn(2, 8, 5, 5)
    mixed = PartialMixedOp(("skip_connect", "none"), 8, 1, share=4)
    out = shuffle(mixed(x, torch.tensor([0.5, 0.5])), 2)  # undone: a shuffle by 2 after one by 4 of 8 channels
    assert torch.allclose(out[:, :2], 0.5 * x[:, :2]) and torch.equal(out[:, 2:], x[:, 2:])
    reducing = PartialMixedOp(("none",), 8, 2, share=4)
    out = shuffle(reducing(x, torch.ones(1)), 2)
    assert out.shape == (2, 8, 3, 3) and bool((out[:, :2] == 0).all())
    assert torch.equal(out[:, 2:], F.max_pool2d(x[:, 2:], 2, 2, ceil_mode=True))


def test_share_one_is_the_whole_mixed_operation():
    names = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")
    torch.manual_seed(0)
    whole = MixedOp(names, 4, 2)
    part = PartialMixedOp(names, 4, 2, share=1)
    part.load_state_dict(whole.state_dict())
    x, weights = torch.randn(2, 4, 6, 6), torch.tensor([0.2, 0.5, 0.3])
    assert torch.allclose(part(x, weights), whole(x, weights))
    assert isinstance(search_operation("skip_connect", 4, 1), torch.nn.Identity)


def test_edge_weights_are_normalised_over_what_enters_a_node():
    beta = torch.tensor([1.0, 1.0, 0.0, 2.0, 1.0])
    found = edge_weights(beta)
    assert found[:2].tolist() == pytest.approx([0.5, 0.5])
    assert torch.allclose(found[2:], torch.softmax(beta[2:], 0))


def test_every_number_of_the_architecture_gets_a_gradient():
    torch.manual_seed(0)
    net = PartialSupernet(SPACE, 3, 8, 3, 3)
    F.cross_entropy(net(torch.randn(4, 3, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
    assert len(net.alphas()) == 4
    for parameter in net.alphas():
        assert parameter.grad is not None and bool((parameter.grad != 0).all())
    assert sum(p.numel() for p in net.weights()) + sum(p.numel() for p in net.alphas()) == sum(
        p.numel() for p in net.parameters()
    )
