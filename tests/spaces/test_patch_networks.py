"""Networks of face patches: what is cut, unknown noses, counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import NamedArchitecture, parse_architecture
from fernas.spaces.complexity import complexity, macs, params
from fernas.spaces.networks import build_network
from fernas.spaces.patch_networks import PatchNetwork, cut
from fernas.spaces.patches import (
    boxes_on,
    patch_macs,
    patch_params,
    whole_face,
)

DOCUMENT = {
    "kind": "patches",
    "face_px": 96,
    "patches": [{"dx": -20, "dy": -12, "w": 24, "h": 16}, {"dx": 18, "dy": -12, "w": 24, "h": 16}],
}


def test_parameters_follow_the_area_and_the_whole_face_has_two_million():
    arch = parse_architecture(DOCUMENT)
    found = complexity(arch, classes=7, input=(1, 96, 96))
    shared = (9 + 1) * 32 + (9 * 32 + 1) * 64
    assert found["params"] == shared + 256 * 2 * 24 * 16 + 64 + 65 * 7
    whole = NamedArchitecture(name="whole_face")
    assert params(whole, classes=7, input_shape=(1, 96, 96)) == shared + 256 * 96 * 96 + 64 + 65 * 7 == 2_378_631
    assert found["params"] / 2_378_631 < 0.1


@pytest.mark.parametrize("shape", [(1, 48, 48), (3, 48, 48), (3, 64, 64)])
def test_the_counts_without_torch_are_those_of_the_networks(shape):
    arch = parse_architecture({**DOCUMENT, "patches": [*DOCUMENT["patches"], {"dx": 3, "dy": 30, "w": 30, "h": 13}]})
    boxes = boxes_on(arch, *shape[1:])
    for found, expected in ((params, patch_params), (macs, patch_macs)):
        assert found(arch, classes=5, input_shape=shape) == expected(boxes, shape[0], 5)
        whole = NamedArchitecture(name="whole_face")
        assert found(whole, classes=5, input_shape=shape) == expected(whole_face(shape[1]), shape[0], 5)


def test_the_ablation_costs_the_same_for_every_genome():
    counts = set()
    for boxes in (DOCUMENT["patches"], [{"dx": 0, "dy": 0, "w": 90, "h": 90}, {"dx": 1, "dy": 0, "w": 4, "h": 4}]):
        arch = parse_architecture({**DOCUMENT, "patches": boxes, "form": "stacked", "resize_px": 24})
        counts.add(params(arch, classes=7, input_shape=(1, 96, 96)))
        assert build_network(arch, 7, (1, 96, 96)).eval()(torch.zeros(2, 1, 96, 96)).shape == (2, 7)
    assert counts == {(9 * 2 + 1) * 32 + (9 * 32 + 1) * 64 + 6 * 6 * 64 * 64 + 64 + 65 * 7}


def test_a_patch_is_cut_where_its_definition_says():
    """By hand: nose at (5, 4), box 4 x 2 at (+1, -1): columns floor(5 + 1 - 1.5 + .5) = 5..8, rows 3..4."""
    image = torch.arange(100.0).view(1, 1, 10, 10)
    found = cut(image, torch.tensor([[5.0, 4.0]]), (1, -1, 4, 2))
    assert found[0, 0].tolist() == [[35, 36, 37, 38], [45, 46, 47, 48]]
    outside = cut(image, torch.tensor([[9.0, 0.0]]), (0, 0, 4, 2))  # columns 8..11, rows 0..1
    assert outside[0, 0].tolist() == [[8, 9, 0, 0], [18, 19, 0, 0]]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_cutting_a_batch_is_cutting_one_by_one(seed):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.random((5, 2, 12, 14), np.float32))
    noses = torch.from_numpy(rng.uniform(-3, 16, (5, 2)).astype(np.float32))
    box = (int(rng.integers(-8, 9)), int(rng.integers(-8, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    found = cut(images, noses, box)
    dx, dy, w, h = box
    for n in range(5):
        padded = torch.nn.functional.pad(images[n], (40, 40, 40, 40))
        x0 = int(np.floor(np.float32(noses[n, 0]) + np.float32(dx - (w - 1) / 2 + 0.5))) + 40
        y0 = int(np.floor(np.float32(noses[n, 1]) + np.float32(dy - (h - 1) / 2 + 0.5))) + 40
        assert torch.equal(found[n], padded[:, y0 : y0 + h, x0 : x0 + w])


def test_unknown_noses_are_the_train_splits_mean():
    net = PatchNetwork(((0, 0, 4, 4),), 1, 3, 16, 16).eval()
    net.set_mean_nose(np.array([[4.0, 6.0], [6.0, 8.0], [np.nan, np.nan]]))
    images = torch.rand(2, 1, 16, 16)
    known = net(images, torch.tensor([[5.0, 7.0], [2.0, 2.0]]))
    partly = net(images, torch.tensor([[np.nan, np.nan], [2.0, 2.0]]))
    assert torch.equal(known, partly)
    assert not torch.allclose(known[1], net(images[1:], torch.tensor([[5.0, 7.0]]))[0]), "a known nose is its own"
    assert torch.equal(net(images)[:1], known[:1])
    assert dict(net.named_buffers())["mean_nose"].tolist() == [5.0, 7.0]
