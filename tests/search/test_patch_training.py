"""Cutting patches from bytes, the fast way, against the network's own."""

from dataclasses import replace

import numpy as np
import torch

from fernas.core.seeds import rng
from fernas.learn.arrays import ArrayPart
from fernas.learn.augment import evaluation_view
from fernas.learn.config import AugmentConfig
from fernas.search._patch_evaluations import Evaluations
from fernas.search._patch_training import evaluate_genome, images_of, mean_nose
from fernas.spaces.patch_networks import cut
from tests.fixtures.toy_searches import patch_limits, planted_search


def test_cutting_bytes_is_cutting_mirrored_and_scaled_images():
    """The fast way (one uint8 tensor) against the network's own on the augmented floats."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (5, 20, 20, 3)).astype(np.uint8)
    noses = rng.uniform(2, 17, (5, 2)).astype(np.float32)
    noses[4] = np.nan
    part = replace(ArrayPart.of(images, np.zeros(5)), noses=noses)
    mean = mean_nose(part)
    assert np.allclose(mean, noses[:4].mean(0))
    cuts = images_of(part, mean, "standard")
    floats = evaluation_view(torch.from_numpy(images), AugmentConfig(scale="standard"))
    known = torch.from_numpy(np.where(np.isfinite(noses), noses, mean))
    flip = torch.tensor([False, True, True, False, True])
    mirrored = torch.where(flip[:, None, None, None], floats.flip(3), floats)
    moved = torch.stack([torch.where(flip, 19 - known[:, 0], known[:, 0]), known[:, 1]], 1)
    for box in ((3, -2, 8, 4), (-9, 9, 4, 12)):
        assert torch.allclose(cuts.cut(box, flip), cut(mirrored, moved, box), atol=1e-5)
    assert torch.allclose(cuts.whole(flip), mirrored, atol=1e-5)


def test_a_genome_learns_from_the_weights_part_and_is_scored_on_the_selection_part(tmp_path):
    run = planted_search(tmp_path)
    e = Evaluations(run.open(), run.options)
    architecture = e.architecture(patch_limits().random_genome(rng(0, "genome", 0)))

    def result(train, selection):
        return evaluate_genome(architecture, train, selection, e.classes, run.options.train, e.seed)

    def moved_on(images):
        return replace(images, labels=(images.labels + 1) % e.classes)

    first = result(e.train, e.selection)
    other = result(e.train, moved_on(e.selection))
    assert other["train_loss"] == first["train_loss"] and other["loss"] != first["loss"]
    assert result(moved_on(e.train), e.selection)["train_loss"] != first["train_loss"]
