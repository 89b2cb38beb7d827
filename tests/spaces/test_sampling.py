"""Random architectures."""

import numpy as np

from fernas.spaces.sampling import random_architecture


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
