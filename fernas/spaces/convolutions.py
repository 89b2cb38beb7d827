"""Convolutions for channels_last maps on a CPU that stay on PyTorch's fast routines; in NCHW they are PyTorch's own.

A 1x1 convolution is a matrix product on channels_last maps; PyTorch takes a slower route for it where one thread works
on a small batch.

Depthwise convolutions.

PyTorch's forward pass is fast for all of our kernels, its backward pass only for 3x3 without dilation: the others take
a reference loop, 5 to 15 times slower. The same gradients can be had from the fast cases:

* the input gradient of a stride-1 convolution is a forward convolution with the flipped kernel;
* with dilation 2 the four parities of rows and columns never meet: each is a convolution without dilation;
* the 25 taps of a 5x5 kernel are four overlapping 3x3 blocks, each the weight gradient of a kernel on a shifted map.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LAST = torch.channels_last


def depthwise(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """Depthwise convolution, padded so that stride 1 keeps the size: (N, C, H, W), (C, 1, k, k) -> (N, C, H', W')."""
    if stride == 1 and (dilation, weight.shape[2]) != (1, 3) and torch.is_grad_enabled() and _last(x):
        return Depthwise.apply(x, weight, dilation)
    return _forward(x, weight, stride, dilation)


def _forward(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    return F.conv2d(x, weight, None, stride, dilation * (weight.shape[2] // 2), dilation, x.shape[1])


def _last(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.shape[1] > 1 and x.is_contiguous(memory_format=LAST)


class PointConv2d(nn.Conv2d):
    """A 1x1 convolution without bias; a matrix product where the map is channels_last."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) -> (N, c_out, H', W')."""
        if x.device.type != "cpu" or x.stride(1) != 1 or x.shape[1] == 1:
            return super().forward(x)
        # the stride decides, not the memory format: a view into a channels_last map will do
        s = self.stride[0]
        rows = x.permute(0, 2, 3, 1) if s == 1 else x[:, :, ::s, ::s].permute(0, 2, 3, 1)
        return F.linear(rows, self.weight.flatten(1)).permute(0, 3, 1, 2)


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise `nn.Conv2d` that takes the fast backward pass where it can (never in NCHW)."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return depthwise(x, self.weight, self.stride[0], self.dilation[0])


class Depthwise(torch.autograd.Function):
    """Stride 1, kernel 3x3 or 5x5, dilation 1 or 2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        """PyTorch's own convolution."""
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _forward(x, weight, 1, dilation)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        """Input gradient by the flipped kernel, weight gradient by 3x3 blocks."""
        x, weight = ctx.saved_tensors
        g = g.contiguous(memory_format=LAST)
        dx = _forward(g, weight.flip((2, 3)), 1, ctx.dilation) if ctx.needs_input_grad[0] else None
        dw = weight_gradient(x, g, weight.shape[2], ctx.dilation) if ctx.needs_input_grad[1] else None
        return dx, dw, None


def weight_gradient(x: Tensor, g: Tensor, kernel: int, dilation: int) -> Tensor:
    """Weight gradient (C, 1, k, k) of a stride-1 convolution of x with output gradient g, both (N, C, H, W)."""
    if dilation == 2:
        x, g = parities(x), parities(g)
    padded = F.pad(x, (kernel // 2,) * 4)
    if kernel == 3:
        return _block(padded, g)
    h, w = g.shape[2:]
    (a, b), (c, d) = ([_block(padded[:, :, i : i + h + 2, j : j + w + 2], g) for j in (0, 2)] for i in (0, 2))
    upper, lower = torch.cat([a, b[..., 1:]], 3), torch.cat([c, d[..., 1:]], 3)
    return torch.cat([upper, lower[:, :, 1:]], 2)


def _block(padded: Tensor, g: Tensor) -> Tensor:
    """Weight gradient of a 3x3 kernel on a map with its border: (N, C, H + 2, W + 2), (N, C, H, W)."""
    c = g.shape[1]
    like = g.new_empty(c, 1, 3, 3)
    padded = padded.contiguous(memory_format=LAST)
    mask = [False, True, False]
    args = (None, [1, 1], [0, 0], [1, 1], False, [0, 0], c, mask)
    return torch.ops.aten.convolution_backward(g, padded, like, *args)[1]


def parities(x: Tensor) -> Tensor:
    """The four maps of even and odd rows and columns as a batch: (N, C, H, W) -> (4N, C, ceil(H / 2), ceil(W / 2))."""
    n, c, h, w = x.shape
    if h % 2 or w % 2:
        x = F.pad(x, (0, w % 2, 0, h % 2))
    h, w = x.shape[2] // 2, x.shape[3] // 2
    rows = x.permute(0, 2, 3, 1).reshape(n, h, 2, w, 2, c).permute(0, 2, 4, 1, 3, 5)  # (N, 2, 2, h, w, C)
    return rows.reshape(4 * n, h, w, c).permute(0, 3, 1, 2)
