"""The candidate operations as modules."""

import pytest
import torch

from fernas.core.errors import ConfigError
from fernas.spaces.operations import OPERATIONS, final_operation, search_operation


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_keeps_channels_and_rounds_halves_up(name, stride):
    x = torch.randn(2, 6, 7, 10)
    for make in (search_operation, final_operation):
        y = make(name, 6, stride)(x)
        assert y.shape == (2, 6, -(-7 // stride), -(-10 // stride))


def test_batch_norms_are_affine_in_final_networks_only():
    for name in OPERATIONS:
        for make, expected in ((search_operation, False), (final_operation, True)):
            norms = [m for m in make(name, 8, 2).modules() if isinstance(m, torch.nn.BatchNorm2d)]
            assert all(m.affine == expected for m in norms), name
    assert isinstance(final_operation("max_pool_3x3", 8, 1).bn, torch.nn.Identity)


def test_an_unknown_operation_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'sep_conv_3x3'"):
        final_operation("sep_conv_33", 8, 1)
