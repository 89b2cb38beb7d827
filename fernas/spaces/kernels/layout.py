"""How feature maps lie in memory for the compiled loops, and the sizes of one call.

A blocked map is a contiguous tensor (G, N, B, H, W, V): the channels are cut into blocks of V, so that one pixel of one
block is one vector register. Its G groups are the nodes of a cell's output (G = 1 for every other map). Channel index =
(group * B + block) * V + lane.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor


def lanes(channels: int) -> int:
    """Channels V of a block: 16 where they divide the width of the first cell, else 8."""
    return 16 if channels % 16 == 0 else 8


def to_blocked(x: Tensor, width: int) -> Tensor:
    """(N, C, H, W) -> (1, N, B, H, W, V); V follows from the width of the first cell."""
    n, c, h, w = x.shape
    v = lanes(width)
    return x.reshape(n, c // v, v, h, w).permute(0, 1, 3, 4, 2).contiguous().unsqueeze(0)


def from_blocked(x: Tensor) -> Tensor:
    """(G, N, B, H, W, V) -> (N, C, H, W), channels_last."""
    g, n, b, h, w, v = x.shape
    return x.permute(1, 3, 4, 0, 2, 5).reshape(n, h, w, g * b * v).permute(0, 3, 1, 2)


def global_average(x: Tensor) -> Tensor:
    """Mean over the pixels of a blocked map: (G, N, B, H, W, V) -> (N, C)."""
    return x.mean((3, 4)).permute(1, 0, 2, 3).flatten(1)


class Geometry:
    """Sizes of one call: from the map `x` (G, N, B, H, W, V) with `stride` to (1, N, out_blocks, H', W', V)."""

    def __init__(self, x: Tensor, stride: int, out_blocks: int) -> None:
        self.g, self.n, self.b, self.h, self.w, self.v = x.shape
        self.stride, self.out_blocks = stride, out_blocks
        self.ho, self.wo = -(-self.h // stride), -(-self.w // stride)
        self.out_shape = (1, self.n, out_blocks, self.ho, self.wo, self.v)
        self.out_channels, self.in_channels = out_blocks * self.v, self.g * self.b * self.v
        self.count = self.n * self.ho * self.wo  # values per channel that a BatchNorm behind this call averages over
        self.pixels = ctypes.c_long(self.ho * self.wo)
        # the loops deal out images: more threads than images would stand idle
        self.threads = max(1, min(torch.get_num_threads(), self.n))

    def shape(self, activation: int) -> Any:
        """The C structure `Shape` of conv.h."""
        return (ctypes.c_int * 10)(
            self.n, self.g, self.b, self.h, self.w, self.ho, self.wo, self.stride, self.out_blocks, activation
        )
