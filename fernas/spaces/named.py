"""Fixed networks by name: `small_cnn` and `whole_face` of our own, and the reference networks of torchvision."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.errors import unknown
from fernas.spaces import _torchvision
from fernas.spaces.networks import NetworkShape

TORCHVISION = {  # name -> (path of the first convolution, smallest image side that leaves a map)
    "mobilenet_v2": ("features.0.0", 1),
    "resnet18": ("conv1", 1),
    "resnet50": ("conv1", 1),
    "vgg16": ("features.0", 32),
    "vgg19": ("features.0", 32),
}
NAMES = ("small_cnn", "whole_face", "linear_svm", *TORCHVISION)


class SmallCNN(nn.Module):
    """Three times 3x3 convolution, BatchNorm, ReLU, 2x2 maximum (32, 64, 128 channels), global average, linear.

    About 93,000 parameters: the first fixed network of the tables, small enough for a demonstration on a CPU.
    """

    def __init__(self, in_channels: int, classes: int, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in, c_out in zip((in_channels, *widths), widths, strict=False):
            layers += [
                nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(c_out),
                nn.ReLU(inplace=True),
                # rounded up, so that small images leave a map
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, classes)."""
        return self.classifier(self.dropout(self.features(x).mean((2, 3))))


class LinearScores(nn.Module):
    """One linear map from features to a score per class: what a linear support vector machine is once it is trained."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, 1, 1) -> scores (N, classes)."""
        return self.linear(x.flatten(1))


class Enlarged(nn.Module):
    """A network behind bilinear enlargement, for images of which it would leave no map."""

    def __init__(self, net: nn.Module, side: int) -> None:
        super().__init__()
        self.net, self.side = net, side

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) with a side below `side` -> logits (N, classes) of the image of `side` x `side`."""
        return self.net(F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False))


def build(arch: Any, shape: NetworkShape) -> nn.Module:
    """The network `arch.name` for `shape.classes` classes and images of `shape.input` (C, H, W)."""
    channels, height, width = shape.need("input")
    classes = shape.need("classes")
    if arch.name == "small_cnn":
        return SmallCNN(channels, classes)
    if arch.name == "whole_face":
        from fernas.spaces.patch_networks import WholeFaceNetwork

        return WholeFaceNetwork(channels, classes, height, width)
    if arch.name == "linear_svm":
        return LinearScores(channels * height * width, classes)
    if arch.name not in TORCHVISION:
        raise unknown("architecture: network", arch.name, NAMES)
    first, smallest = TORCHVISION[arch.name]
    net = getattr(_torchvision.models(), arch.name)(weights=None, num_classes=classes)
    if channels != 3:
        _replace_first_convolution(net, first, channels)
    return Enlarged(net, smallest) if min(height, width) < smallest else net


def _replace_first_convolution(net: nn.Module, path: str, channels: int) -> None:
    """Puts a convolution with the same settings and another number of input channels in the place of the first one."""
    parent, _, name = path.rpartition(".")
    owner, old = net.get_submodule(parent), net.get_submodule(path)
    if not isinstance(old, nn.Conv2d):
        raise TypeError(f"{path} of {type(net).__name__} is no convolution")
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,
        old.stride,
        old.padding,
        bias=old.bias is not None,  # type: ignore[arg-type]
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    setattr(owner, name, new)
