import numpy as np
import torch

from fernas.learn.arrays import ArrayPart
from fernas.learn.augment import Augmenter
from fernas.learn.config import AugmentConfig
from fernas.learn.evaluate import network_inputs, predict_probabilities
from tests.fixtures.networks import TinyNetwork
from tests.fixtures.toy_jobs import NO_AUGMENTATION
from tests.fixtures.toy_task import part

CPU = torch.device("cpu")


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch():
    net, check = TinyNetwork(), part(11, seed=3)
    whole = predict_probabilities(net, check, AugmentConfig(), CPU, batch=64)
    cut = predict_probabilities(net, check, AugmentConfig(), CPU, batch=4)
    assert whole.shape == (11, 3) and np.allclose(whole.sum(1), 1) and np.allclose(whole, cut, atol=1e-6)


def test_jitter_moves_noses_within_its_bound_and_nothing_else():
    part = ArrayPart.of(np.zeros((64, 16, 16, 1), np.uint8), np.zeros(64))
    part = ArrayPart(part.source, part.rows, part.labels, part.ids, part.subjects, np.full((64, 2), 8, np.float32))
    moved = {}
    for jitter in (0.0, 2.0):
        augment = Augmenter(AugmentConfig(**NO_AUGMENTATION, nose_jitter=jitter))
        generator = torch.Generator().manual_seed(1)
        _, moved[jitter] = network_inputs(part, np.arange(64), augment, generator, CPU)
    assert torch.equal(moved[0.0], torch.full((64, 2), 8.0))
    away = (moved[2.0] - 8).abs()
    assert float(away.max()) <= 2 and float(away.max()) > 1.5 and len(moved[2.0].unique()) > 100
