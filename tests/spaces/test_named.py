"""Fixed networks by name."""

import pytest
import torch

from fernas.spaces.networks import build_network, set_drop_path
from tests.fixtures.architectures import named


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v2", "resnet18"])
def test_named_networks_take_grey_images_and_any_number_of_classes(name):
    net = build_network(named(name), classes=3, input_shape=(1, 48, 48))
    assert net(torch.randn(2, 1, 48, 48)).shape == (2, 3)
    set_drop_path(net, 0.2)


def test_vgg_enlarges_images_that_would_leave_no_map():
    torch.manual_seed(0)
    net = build_network(named("vgg16"), classes=3, input_shape=(3, 24, 24)).eval()
    x = torch.randn(1, 3, 24, 24)
    with torch.no_grad():
        large = torch.nn.functional.interpolate(x, size=(32, 32), mode="bilinear", align_corners=False)
        assert torch.equal(net(x), net.net(large))
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in net.net.parameters())
