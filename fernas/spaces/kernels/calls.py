"""The calls of the compiled loops: one function per loop, and small classes for what its arguments are.

Only this module knows the order of the arguments of `cpp/kernels.cpp`. All maps are blocked (`layout`).
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fernas.spaces.kernels import library
from fernas.spaces.kernels.layout import Geometry
from fernas.spaces.kernels.packing import StackMember

ACT_NONE, ACT_RELU, ACT_AFFINE_RELU = 0, 1, 2  # as in conv.h


@dataclass(frozen=True)
class ConvInput:
    """What convolutions read: one map for all of them, or a list with one map for each.

    The activation is applied while the map is read: nothing, relu(x), or relu(scale * x + shift) with one row (C,) of
    scale and shift per map.
    """

    maps: Tensor | list[Tensor]
    activation: int
    scale: Tensor | None = None
    shift: Tensor | None = None


@dataclass(frozen=True)
class ProductGradients:
    """The gradient of each product y of K convolutions: coef0 * f * g + coef1 * y + coef2, channel by channel.

    That is BatchNorm's backward pass with softmax(alpha) folded in (`batch_norm`), so no such map is ever stored.
    """

    products: Sequence[Tensor]
    upstream: Sequence[Tensor]  # g
    coef: Tensor  # (K, 3, C')
    factor: Tensor | None  # f (K, N), drop path's factor per image; None for one


@dataclass(frozen=True)
class GradientTarget:
    """Where the gradient of an input goes, and whether it is added to what is there."""

    into: Tensor | list[Tensor]
    add: bool


@dataclass(frozen=True)
class PoolMaps:
    """Both 3x3 pools of a map, and which of the nine taps was the maximum (uint8)."""

    maximum: Tensor
    average: Tensor
    index: Tensor


@dataclass(frozen=True)
class GhostMaps:
    """One ghost operation: the products of its two convolutions, and how they enter the sum of the node.

    It adds scales[n] * [relu(sc1 * primary + sh1), relu(sc2 * cheap + sh2)] with coef = (sc1, sh1, sc2, sh2).
    """

    primary: Tensor
    cheap: Tensor
    coef: Tensor  # (4, half)
    scales: Tensor  # (N,)

    @property
    def half_blocks(self) -> int:
        """Blocks of one half."""
        return self.primary.shape[2]


def conv_forward(
    geometry: Geometry, source: ConvInput, members: Sequence[StackMember], products: Sequence[Tensor]
) -> Tensor:
    """Runs all convolutions `members` of one source and writes their products.

    Returns:
        Sums (K, 2, C') over pixels of each product and of its square, float64.
    """
    sums = torch.empty(len(members), 2, geometry.out_channels, dtype=torch.float64)
    name = "conv_forward_each" if isinstance(source.maps, list) else "conv_forward"
    _function(name, products[0].dtype)(
        geometry.v, geometry.shape(source.activation), _either(source.maps), _address(source.scale),
        _address(source.shift), len(members), _operations(members), _arrays(members, "depth"),
        _arrays(members, "point"), _pointers(products), _address(sums), geometry.threads,
    )  # fmt: skip
    return sums


def conv_backward(
    geometry: Geometry,
    source: ConvInput,
    members: Sequence[StackMember],
    gradients: ProductGradients,
    target: GradientTarget,
    need_weights: bool,
) -> Tensor | None:
    """The backward pass of `conv_forward`: the input's gradient, and the weights' gradients in the stacks.

    Returns:
        For a list of maps the sums (K, 2, C) over pixels of dx and of dx * x, before anything is added; else None.
    """
    each = isinstance(source.maps, list)
    sums = torch.empty(len(members), 2, geometry.in_channels, dtype=torch.float64) if each else None
    _function("conv_backward_each" if each else "conv_backward", gradients.products[0].dtype)(
        geometry.v, geometry.shape(source.activation), _either(source.maps), _address(source.scale),
        _address(source.shift), len(members), _operations(members), _arrays(members, "depth"),
        _arrays(members, "point_t"), _pointers(gradients.products), _pointers(gradients.upstream),
        _address(gradients.coef), _address(gradients.factor), _either(target.into), int(target.add), _address(sums),
        _arrays(members, "d_depth") if need_weights else None, _arrays(members, "d_point") if need_weights else None,
        int(need_weights), geometry.threads,
    )  # fmt: skip
    return sums


def combine(
    geometry: Geometry, maps: Sequence[Tensor], coef: Tensor, factor: Tensor | None, bias: Tensor, out: Tensor
) -> None:
    """Sets out = sum_k coef[k] * factor[k] * maps[k] + bias; coef (K, C), factor (K, N), bias (C,) or (N, C)."""
    step = bias.shape[-1] if bias.ndim == 2 else 0
    _function("combine_maps", out.dtype)(
        geometry.v, geometry.n, geometry.out_blocks, geometry.pixels, len(maps), _pointers(maps), _address(coef),
        _address(factor), _address(bias), ctypes.c_long(step), _address(out), geometry.threads,
    )  # fmt: skip


def products(geometry: Geometry, pairs: Sequence[tuple[Tensor, Tensor | None]], factor: Tensor | None = None) -> Tensor:
    """Sums over images and pixels of factor * g * b for K pairs (g, b), of factor * g where b is None.

    factor (K, N) or None. Returns (K, C) in float64.
    """
    sums = torch.empty(len(pairs), geometry.out_channels, dtype=torch.float64)
    _function("product_sums", pairs[0][0].dtype)(
        geometry.v, geometry.n, geometry.out_blocks, geometry.pixels, len(pairs), _pointers([p[0] for p in pairs]),
        _pointers([p[1] for p in pairs]), _address(factor), _address(sums), geometry.threads,
    )  # fmt: skip
    return sums


def pool_forward(geometry: Geometry, x: Tensor, pools: PoolMaps) -> Tensor:
    """Both 3x3 pools of x; returns sums (2, 2, C) float64: [maximum, average] x [value, square]."""
    sums = torch.empty(2, 2, geometry.out_channels, dtype=torch.float64)
    _function("pools_forward", x.dtype)(
        geometry.v, geometry.n, geometry.b, geometry.h, geometry.w, geometry.ho, geometry.wo, geometry.stride,
        _address(x), _address(pools.maximum), _address(pools.average), _address(pools.index), _address(sums),
        geometry.threads,
    )  # fmt: skip
    return sums


def pool_backward(
    geometry: Geometry,
    upstream: Sequence[Tensor],
    pools: PoolMaps | None,
    coef: Tensor,
    factor: Tensor | None,
    target: GradientTarget,
) -> None:
    """The gradient of x through both pools (none where `pools` is None) and the skip connections.

    upstream: g of each edge; coef (3 * edges + 4, C): see pool.h; factor (edges, N) or None.
    """
    assert isinstance(target.into, Tensor)
    maximum, average, index = (None, None, None) if pools is None else (pools.maximum, pools.average, pools.index)
    _function("pools_backward", target.into.dtype)(
        geometry.v, geometry.n, geometry.b, geometry.h, geometry.w, geometry.ho, geometry.wo, geometry.stride,
        len(upstream), _pointers(upstream), _address(maximum), _address(average), _address(index), _address(coef),
        _address(factor), _address(target.into), int(target.add), geometry.threads,
    )  # fmt: skip


def ghost_forward(geometry: Geometry, maps: GhostMaps, out: Tensor) -> None:
    """Adds a ghost operation to the sum of its node."""
    _function("ghost_forward", out.dtype)(
        geometry.v, geometry.n, geometry.out_blocks, maps.half_blocks, geometry.pixels, _address(maps.primary),
        _address(maps.cheap), _address(maps.coef), _address(maps.scales), _address(out), geometry.threads,
    )  # fmt: skip


def ghost_backward(geometry: Geometry, maps: GhostMaps, g: Tensor, d_primary: Tensor, d_cheap: Tensor) -> Tensor:
    """Writes the gradients of both normalised products.

    Returns:
        Sums (5, half) float64 over pixels of g * z, d_primary, d_primary * primary, d_cheap, d_cheap * cheap.
    """
    sums = torch.empty(5, maps.half_blocks * geometry.v, dtype=torch.float64)
    _function("ghost_backward", g.dtype)(
        geometry.v, geometry.n, geometry.out_blocks, maps.half_blocks, geometry.pixels, _address(g),
        _address(maps.primary), _address(maps.cheap), _address(maps.coef), _address(maps.scales),
        _address(d_primary), _address(d_cheap), _address(sums), geometry.threads,
    )  # fmt: skip
    return sums


def _function(name: str, dtype: torch.dtype) -> Any:
    """A function of the library for float32 or float64."""
    function = getattr(library.load(dtype), name)
    function.restype = None
    return function


def _address(t: Tensor | None) -> Any:
    """The address of a tensor's data, null for None."""
    return ctypes.c_void_p(None if t is None else t.data_ptr())


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    """A C array of addresses."""
    return (ctypes.c_void_p * len(tensors))(*[None if t is None else t.data_ptr() for t in tensors])


def _either(maps: Tensor | list[Tensor]) -> Any:
    return _pointers(maps) if isinstance(maps, list) else _address(maps)


def _arrays(members: Sequence[StackMember], name: str) -> Any:
    return _pointers([member.array(name) for member in members])


def _operations(members: Sequence[StackMember]) -> Any:
    """The C structures `Op` of conv.h one after another."""
    return (ctypes.c_int * (3 * len(members)))(*[value for member in members for value in member.stack.op])
