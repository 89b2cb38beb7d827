"""Calls of the compiled loops: sizes, addresses, and one function per loop.

Maps are "blocked" here: a tensor (G, N, B, H, W, V) holds the channels in B blocks of V, and G groups one after another
(the four nodes of a cell's output; G = 1 for the stem). Channel index = (group * B + block) * V + lane.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fernas.spaces.kernels import library

DEPTH_POINT, FULL, REDUCE = 0, 1, 2  # as in conv.h
ACT_NONE, ACT_RELU, ACT_AFFINE_RELU = 0, 1, 2
Op = tuple[int, int, int]  # type, kernel size, dilation
Maybe: TypeAlias = "Tensor | None"


def lanes(channels: int) -> int:
    """Channels of a block: 16 where they divide the width of the first cell, else 8."""
    return 16 if channels % 16 == 0 else 8


def to_blocked(x: Tensor, width: int) -> Tensor:
    """(N, C, H, W) -> (1, N, B, H, W, V), V by the width of the first cell."""
    n, c, h, w = x.shape
    v = lanes(width)
    return x.reshape(n, c // v, v, h, w).permute(0, 1, 3, 4, 2).contiguous().unsqueeze(0)


def from_blocked(x: Tensor) -> Tensor:
    """(G, N, B, H, W, V) -> (N, C, H, W), channels_last."""
    g, n, b, h, w, v = x.shape
    return x.permute(1, 3, 4, 0, 2, 5).reshape(n, h, w, g * b * v).permute(0, 3, 1, 2)


def pooled(x: Tensor) -> Tensor:
    """Global average of a blocked map: (G, N, B, H, W, V) -> (N, C)."""
    return x.mean((3, 4)).permute(1, 0, 2, 3).flatten(1)


def pointers(tensors: Sequence[Maybe]) -> Any:
    """A C array of the addresses of tensors (None -> null)."""
    return (ctypes.c_void_p * len(tensors))(*[None if t is None else t.data_ptr() for t in tensors])


def address(t: Maybe) -> Any:
    """The address of a tensor's data, null for None."""
    return ctypes.c_void_p(None if t is None else t.data_ptr())


def function(name: str, dtype: torch.dtype) -> Any:
    """A function of the library for float32 or float64."""
    f = getattr(library.load(dtype), name)
    f.restype = None
    return f


class Geometry:
    """Sizes of one call: input (G, N, B, H, W, V) with `stride` to output (1, N, B', H', W', V)."""

    def __init__(self, x: Tensor, stride: int, out_blocks: int) -> None:
        self.g, self.n, self.b, self.h, self.w, self.v = x.shape
        self.stride, self.out_blocks = stride, out_blocks
        self.ho, self.wo = -(-self.h // stride), -(-self.w // stride)
        self.out_shape = (1, self.n, out_blocks, self.ho, self.wo, self.v)
        self.out_channels, self.in_channels = out_blocks * self.v, self.g * self.b * self.v
        self.count = self.n * self.ho * self.wo
        self.pixels = ctypes.c_long(self.ho * self.wo)
        self.threads = max(1, min(torch.get_num_threads(), self.n))

    def shape(self, act: int) -> Any:
        """The C structure `Shape`."""
        return (ctypes.c_int * 10)(
            self.n, self.g, self.b, self.h, self.w, self.ho, self.wo, self.stride, self.out_blocks, act
        )


def _flat(ops: Sequence[Op]) -> Any:
    return (ctypes.c_int * (3 * len(ops)))(*[value for op in ops for value in op])


def conv_forward(
    geo: Geometry,
    act: int,
    x: Tensor | list[Tensor],
    scale: Maybe,
    shift: Maybe,
    ops: Sequence[Op],
    dw: Sequence[Maybe],
    pw: Sequence[Tensor],
    y: Sequence[Tensor],
) -> Tensor:
    """Runs all `ops` on one input, or, when x is a list, each one on its own.

    scale, shift: of the BatchNorm in front (ACT_AFFINE_RELU), one row per input. Returns sums (ops, 2, C') of each
    product y and of its square, float64.
    """
    sums = torch.empty(len(ops), 2, geo.out_channels, dtype=torch.float64)
    each = isinstance(x, list)
    function("conv_forward_each" if each else "conv_forward", y[0].dtype)(
        geo.v, geo.shape(act), pointers(x) if isinstance(x, list) else address(x), address(scale), address(shift),
        len(ops), _flat(ops), pointers(dw), pointers(pw), pointers(y), address(sums), geo.threads,
    )  # fmt: skip
    return sums


def conv_backward(
    geo: Geometry,
    act: int,
    x: Tensor | list[Tensor],
    scale: Maybe,
    shift: Maybe,
    ops: Sequence[Op],
    dw: Sequence[Maybe],
    pwt: Sequence[Tensor],
    y: Sequence[Tensor],
    g: Sequence[Tensor],
    coef: Tensor,
    factor: Maybe,
    dx: Tensor | list[Tensor],
    add: bool,
    ddw: Sequence[Maybe] | None,
    dpw: Sequence[Tensor] | None,
) -> Maybe:
    """Input gradient (written or added to dx) and, where `dpw` is given, weight gradients of `conv_forward`.

    coef (ops, 3, C'): gradient of y = coef0 * f * g + coef1 * y + coef2, with f = factor (ops, N) or one. When x is a
    list, so is dx, and the sums (ops, 2, C) over pixels of dx and of dx * x are returned, before anything is added.
    """
    each, need = isinstance(x, list), dpw is not None
    sums = torch.empty(len(ops), 2, geo.in_channels, dtype=torch.float64) if each else None
    function("conv_backward_each" if each else "conv_backward", y[0].dtype)(
        geo.v, geo.shape(act), pointers(x) if isinstance(x, list) else address(x), address(scale), address(shift),
        len(ops), _flat(ops), pointers(dw), pointers(pwt), pointers(y), pointers(g), address(coef), address(factor),
        pointers(dx) if isinstance(dx, list) else address(dx), int(add), address(sums),
        pointers(ddw) if ddw is not None else None, pointers(dpw) if dpw is not None else None, int(need), geo.threads,
    )  # fmt: skip
    return sums


def combine(geo: Geometry, maps: Sequence[Tensor], coef: Tensor, factor: Maybe, bias: Tensor, out: Tensor) -> None:
    """Sets out = sum_k coef[k] * factor[k] * maps[k] + bias; coef (K, C), factor (K, N), bias (C,) or (N, C)."""
    step = bias.shape[-1] if bias.ndim == 2 else 0
    function("combine_maps", out.dtype)(
        geo.v, geo.n, geo.out_blocks, geo.pixels, len(maps), pointers(maps), address(coef), address(factor),
        address(bias), ctypes.c_long(step), address(out), geo.threads,
    )  # fmt: skip


def products(geo: Geometry, pairs: Sequence[tuple[Tensor, Maybe]], factor: Maybe = None) -> Tensor:
    """Sums over images and pixels of factor * g * b for every pair (g, b), of factor * g where b is None.

    factor (pairs, N) or None. Returns (pairs, C) in float64.
    """
    sums = torch.empty(len(pairs), geo.out_channels, dtype=torch.float64)
    function("product_sums", pairs[0][0].dtype)(
        geo.v, geo.n, geo.out_blocks, geo.pixels, len(pairs), pointers([p[0] for p in pairs]),
        pointers([p[1] for p in pairs]), address(factor), address(sums), geo.threads,
    )  # fmt: skip
    return sums


def pool_forward(geo: Geometry, x: Tensor, mx: Tensor, av: Tensor, index: Tensor) -> Tensor:
    """Both 3x3 pools of x; returns sums (2, 2, C): [max, avg] x [value, square]."""
    sums = torch.empty(2, 2, geo.out_channels, dtype=torch.float64)
    function("pools_forward", x.dtype)(
        geo.v, geo.n, geo.b, geo.h, geo.w, geo.ho, geo.wo, geo.stride, address(x), address(mx), address(av),
        address(index), address(sums), geo.threads,
    )  # fmt: skip
    return sums


def pool_backward(
    geo: Geometry,
    g: Sequence[Tensor],
    mx: Maybe,
    av: Maybe,
    index: Maybe,
    coef: Tensor,
    factor: Maybe,
    dx: Tensor,
    add: bool,
) -> None:
    """Adds or writes the gradient of x through both pools (none where mx is None) and the skip.

    coef (3 * edges + 4, C): see pool.h; factor (edges, N) or None.
    """
    function("pools_backward", dx.dtype)(
        geo.v, geo.n, geo.b, geo.h, geo.w, geo.ho, geo.wo, geo.stride, len(g), pointers(g), address(mx), address(av),
        address(index), address(coef), address(factor), address(dx), int(add), geo.threads,
    )  # fmt: skip


def ghost_forward(
    geo: Geometry, half_blocks: int, y1: Tensor, y2: Tensor, coef: Tensor, scale: Tensor, out: Tensor
) -> None:
    """Adds out += scale * [relu(sc1 * y1 + sh1), relu(sc2 * y2 + sh2)]; coef (4, half); scale (N,)."""
    function("ghost_forward", out.dtype)(
        geo.v, geo.n, geo.out_blocks, half_blocks, geo.pixels, address(y1), address(y2), address(coef), address(scale),
        address(out), geo.threads,
    )  # fmt: skip


def ghost_backward(
    geo: Geometry,
    half_blocks: int,
    g: Tensor,
    y1: Tensor,
    y2: Tensor,
    coef: Tensor,
    scale: Tensor,
    d1: Tensor,
    d2: Tensor,
) -> Tensor:
    """Gradients d1, d2 before the two BatchNorms' backward; sums (5, half): g*z, d1, d1*y1, d2, d2*y2."""
    sums = torch.empty(5, half_blocks * geo.v, dtype=torch.float64)
    function("ghost_backward", g.dtype)(
        geo.v, geo.n, geo.out_blocks, half_blocks, geo.pixels, address(g), address(y1), address(y2), address(coef),
        address(scale), address(d1), address(d2), address(sums), geo.threads,
    )  # fmt: skip
    return sums


def moments(sums: Tensor, count: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sums (..., 2, C) -> mean, biased variance, 1 / sqrt(variance + eps), each (..., C) in float64."""
    mean = sums[..., 0, :] / count
    var = (sums[..., 1, :] / count - mean * mean).clamp_min_(0)
    return mean, var, torch.rsqrt(var + eps)


def bn_backward(
    total: Tensor, product: Tensor, mean: Tensor, inv: Tensor, scale: Tensor | float, count: int
) -> tuple[Tensor, Tensor]:
    """BatchNorm backward as an affine map. total, product (K, C): sums over pixels of g and of g * y.

    Returns corr (K, C) = sum of g * normalised y, and coef (K, 3, C) with dy = coef0 * g + coef1 * y + coef2 for the
    output scale * normalised y.
    """
    corr = (product - mean * total) * inv
    a = scale * inv
    b = -a * inv * corr / count
    return corr, torch.stack([a, b, -a * total / count - b * mean], dim=1)
