"""The candidate operations of the cell spaces as modules.

One set of modules for both networks. In the cells of a supernet every BatchNorm is without affine parameters and pools
are followed by one. In a final network BatchNorm is affine and pools have none, as in the published DARTS code. The
stem's BatchNorm is affine in both.
Every operation maps (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.core.errors import unknown
from fernas.spaces.convolutions import DepthwiseConv2d, PointConv2d


class Zero(nn.Module):
    """The operation `none`: a map of zeros of the right size."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> zeros (N, C, H', W')."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)  # a product, so that autograd sees x


class Pool(nn.Module):
    """3x3 pooling with padding 1 (an average counts real pixels only), followed by BatchNorm in a supernet."""

    def __init__(self, kind: str, channels: int, stride: int, norm: bool, affine: bool) -> None:
        super().__init__()
        self.kind, self.stride = kind, stride
        self.bn = nn.BatchNorm2d(channels, affine=affine) if norm else nn.Identity()

    def pool(self, x: Tensor) -> Tensor:
        """The pooling alone."""
        if self.kind == "max":
            return F.max_pool2d(x, 3, self.stride, 1)
        return F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return self.bn(self.pool(x))


class ReLUConvBN(nn.Module):
    """ReLU, k x k convolution, BatchNorm: (N, c_in, H, W) -> (N, c_out, H', W')."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.conv: nn.Conv2d = (
            PointConv2d(c_in, c_out, stride)
            if kernel == 1
            else nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        )
        self.bn = nn.BatchNorm2d(c_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H', W')."""
        return self.bn(self.conv(F.relu(x)))


class FactorizedReduce(nn.Module):
    """ReLU, then two 1x1 stride-2 convolutions, the second on the map shifted by one pixel, side by side; BatchNorm.

    The public code fails on odd sizes, where the two halves differ by one pixel; here one row and one column of zeros
    is appended first, so that ceil(H / 2) holds for both.
    """

    def __init__(self, c_in: int, c_out: int, affine: bool) -> None:
        super().__init__()
        self.conv_1 = PointConv2d(c_in, c_out // 2, 2)
        self.conv_2 = PointConv2d(c_in, c_out - c_out // 2, 2)
        self.bn = nn.BatchNorm2d(c_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H', W')."""
        x = F.relu(x)
        shifted = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], dim=1))


class DepthSeparable(nn.Module):
    """ReLU, depthwise k x k convolution, 1x1 convolution, BatchNorm (`dil_conv`, and half of a `sep_conv`)."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> None:
        super().__init__()
        self.depth = DepthwiseConv2d(channels, kernel, stride, dilation)
        self.point = PointConv2d(channels, channels)
        self.bn = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return self.bn(self.point(self.depth(F.relu(x))))


class SepConv(nn.Module):
    """Two depth-separable convolutions one after another; the first one carries the stride."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.first = DepthSeparable(channels, kernel, stride, 1, affine)
        self.second = DepthSeparable(channels, kernel, 1, 1, affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return self.second(self.first(x))


class Ghost(nn.Module):
    """Half of the channels by a 1x1 convolution, the other half by a 3x3 depthwise convolution of the first half.

    ReLU comes after BatchNorm here, unlike in the other operations (Auto-FERNet's published code).
    """

    def __init__(self, channels: int, stride: int, affine: bool) -> None:
        super().__init__()
        half = -(-channels // 2)
        self.channels = channels
        self.primary = PointConv2d(channels, half, stride)
        self.bn_1 = nn.BatchNorm2d(half, affine=affine)
        self.cheap = DepthwiseConv2d(half, 3, 1, 1)
        self.bn_2 = nn.BatchNorm2d(half, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        first = F.relu(self.bn_1(self.primary(x)))
        second = F.relu(self.bn_2(self.cheap(first)))
        # an odd number of channels gives one too many
        return torch.cat([first, second], dim=1)[:, : self.channels]


def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


# name -> (channels, stride, affine, whether a pool is followed by BatchNorm) -> module
OPERATIONS: dict[str, Callable[[int, int, bool, bool], nn.Module]] = {
    "none": lambda c, s, affine, norm: Zero(s),
    "max_pool_3x3": lambda c, s, affine, norm: Pool("max", c, s, norm, affine),
    "avg_pool_3x3": lambda c, s, affine, norm: Pool("avg", c, s, norm, affine),
    "skip_connect": lambda c, s, affine, norm: _skip(c, s, affine),
    "sep_conv_3x3": lambda c, s, affine, norm: SepConv(c, 3, s, affine),
    "sep_conv_5x5": lambda c, s, affine, norm: SepConv(c, 5, s, affine),
    "dil_conv_3x3": lambda c, s, affine, norm: DepthSeparable(c, 3, s, 2, affine),
    "dil_conv_5x5": lambda c, s, affine, norm: DepthSeparable(c, 5, s, 2, affine),
    "ghost": lambda c, s, affine, norm: Ghost(c, s, affine),
    "conv_1x1": lambda c, s, affine, norm: ReLUConvBN(c, c, 1, s, affine),
    "conv_3x3": lambda c, s, affine, norm: ReLUConvBN(c, c, 3, s, affine),
}


def _make(name: str, channels: int, stride: int, affine: bool, pool_norm: bool) -> nn.Module:
    if name not in OPERATIONS:
        raise unknown("operation", name, OPERATIONS)
    return OPERATIONS[name](channels, stride, affine, pool_norm)


def search_operation(name: str, channels: int, stride: int) -> nn.Module:
    """The operation as a supernet holds it: non-affine BatchNorm, also behind pools."""
    return _make(name, channels, stride, affine=False, pool_norm=True)


def final_operation(name: str, channels: int, stride: int) -> nn.Module:
    """The operation as a final network holds it: affine BatchNorm, none behind pools."""
    return _make(name, channels, stride, affine=True, pool_norm=False)
