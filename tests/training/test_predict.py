"""Prediction of the test samples: by the network of their own fold, each on the row of its sample."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from fernas.learn.arrays import Inputs
from fernas.learn.config import AugmentConfig
from fernas.training.oracle import CHOSEN
from fernas.training.predict import predict_folds

CLASSES = ["dark", "light"]


class Brightness(nn.Module):
    """Logits (0, b + fold) of images of brightness b in 0..1."""

    def __init__(self, fold):
        super().__init__()
        self.fold = fold

    def forward(self, x):
        bright = x.mean((1, 2, 3)) + self.fold
        return torch.stack([torch.zeros_like(bright), bright], 1)


class Networks:
    def load(self, fold, epoch):
        return Brightness(fold)

    def copied_epochs(self, fold):
        return []


def test_each_sample_has_the_probabilities_of_its_own_image_and_fold_in_any_order():
    names = ["s3", "s1", "s4", "s2"]
    bright = np.array([30, 10, 40, 20], np.uint8)
    images = np.broadcast_to(bright[::-1, None, None, None], (4, 8, 8, 1)).copy()
    labels = np.array([0, 1, 1, 0])
    table = pd.DataFrame({"row": [3, 2, 1, 0], "sample_id": names, "class_index": labels, "dataset": "toy"})
    table["subject"] = [f"of {name}" for name in names]
    inputs = Inputs(images, table, CLASSES)
    tests = {1: ["s1", "s3"], 0: ["s4", "s2"]}
    frame = predict_folds(inputs, Networks(), tests, AugmentConfig(scale="unit"), torch.device("cpu"))
    assert list(zip(frame["fold"], frame["sample_id"], strict=True)) == [(0, "s4"), (0, "s2"), (1, "s1"), (1, "s3")]
    assert list(frame["subject"]) == ["of s4", "of s2", "of s1", "of s3"]
    assert list(frame["label"]) == ["light", "dark", "light", "dark"]
    logits = np.array([40, 20, 10, 30]) / 255 + frame["fold"]
    np.testing.assert_allclose(frame["p_light"], 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_the_probabilities_are_those_of_the_chosen_epoch_whatever_scores_best_on_the_test_split():
    class Copies(Networks):
        def load(self, fold, epoch):
            return Brightness(-2 if epoch == CHOSEN else 2)

        def copied_epochs(self, fold):
            return [3]

    table = pd.DataFrame({"row": [0], "sample_id": ["s"], "class_index": [1]})
    inputs = Inputs(np.zeros((1, 8, 8, 1), np.uint8), table, CLASSES)
    frame = predict_folds(inputs, Copies(), {0: ["s"]}, AugmentConfig(scale="unit"), torch.device("cpu"))
    assert (frame["p_light"][0] < 0.5, frame["oracle"][0], frame["oracle_epoch"][0]) == (True, "light", 3)
