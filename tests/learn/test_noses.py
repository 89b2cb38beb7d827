"""Nose tips on their way to networks of face patches: unknown ones, the training side's mean, jitter."""

import numpy as np
import pandas as pd
import pytest
import torch

from fernas.learn.arrays import ArrayPart, Inputs
from fernas.learn.augment import Augmenter
from fernas.learn.config import AugmentConfig, FitConfig
from fernas.learn.evaluate import network_inputs
from fernas.learn.fit import fit
from fernas.spaces.patch_networks import PatchNetwork

STILL = {"flip": False, "padding": 0, "rotation_deg": 0.0}


def inputs(sources):
    count = len(sources)
    table = pd.DataFrame(
        {
            "row": range(count),
            "sample_id": [f"s{i}" for i in range(count)],
            "class_index": [i % 2 for i in range(count)],
            "nose_x": np.arange(count) + 5.0,
            "nose_y": 7.0,
            "nose_source": sources,
        }
    )
    images = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 1)).astype(np.uint8)
    return Inputs(images, table, ["a", "b"])


def test_a_mean_over_the_dataset_counts_as_unknown():
    part = inputs(["landmarks", "estimated", "mean"]).part(["s0", "s1", "s2"])
    assert np.isfinite(part.noses).all(1).tolist() == [True, True, False]
    filled = part.with_noses(np.array([1.0, 2.0]))
    assert filled.noses.tolist() == [[5, 7], [6, 7], [1, 2]]


def test_training_keeps_the_mean_of_its_own_side_in_the_model():
    task = inputs(["landmarks"] * 8 + ["mean"] * 4)
    train, inner = task.part([f"s{i}" for i in (0, 1, 2, 8)]), task.part(["s6", "s7", "s9"])
    net = PatchNetwork(((0, 0, 4, 4),), 1, 2, 16, 16)
    config = FitConfig(epochs=1, batch=4, augment=AugmentConfig(**STILL))
    fit(net, train, inner, config=config, classes=2, seed=1, device=torch.device("cpu"))
    assert net.state_dict()["mean_nose"].tolist() == pytest.approx([6.0, 7.0])


def test_jitter_moves_noses_within_its_bound_and_nothing_else():
    part = ArrayPart.of(np.zeros((64, 16, 16, 1), np.uint8), np.zeros(64))
    part = ArrayPart(part.source, part.rows, part.labels, part.ids, part.subjects, np.full((64, 2), 8, np.float32))
    moved = {}
    for jitter in (0.0, 2.0):
        augment = Augmenter(AugmentConfig(**STILL, nose_jitter=jitter))
        generator = torch.Generator().manual_seed(1)
        _, moved[jitter] = network_inputs(part, np.arange(64), augment, generator, torch.device("cpu"))
    assert torch.equal(moved[0.0], torch.full((64, 2), 8.0))
    away = (moved[2.0] - 8).abs()
    assert float(away.max()) <= 2 and float(away.max()) > 1.5 and len(moved[2.0].unique()) > 100
