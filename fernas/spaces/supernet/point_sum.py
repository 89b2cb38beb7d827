"""Pure-path building blocks: sums of 1x1 convolutions with BatchNorm folded in from moments, and shared statistics.

Maps are channels_last. A map (N, C, H, W) is then, without a copy, a matrix (P, C) with P = N*H*W rows, and a 1x1
convolution is a matrix product.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.spaces.convolutions import LAST
from fernas.spaces.operations import FactorizedReduce


def rows(x: Tensor) -> Tensor:
    """(N, C, H, W) in channels_last -> the matrix (N*H*W, C), a view."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def unrows(matrix: Tensor, like: Tensor) -> Tensor:
    """The inverse of `rows`: (N*H*W, C') -> (N, C', H, W) with N, H, W of `like`."""
    n, _, h, w = like.shape
    return matrix.view(n, h, w, -1).permute(0, 3, 1, 2)


class PointSum(torch.autograd.Function):
    """sum_k a_k e_k + sum_o s_o BN(v_o W_o), without forming v_o W_o.

    The BatchNorm (batch statistics) of y = v W needs the mean and the variance of y, and these follow from
    the moments of v: mean = m W, variance = diag(W^T Q W) - mean^2, m = mean of v, Q = v^T v / P. So BatchNorm and s_o
    fold into the matrix, W_o diag(s_o / sigma_o), and the sum is accumulated by one matrix product per operation.
    """

    @staticmethod
    def forward(
        ctx: Any,
        stats: list[Any],
        eps: float,
        scales: Tensor,
        map_scales: Tensor | None,
        offset: Tensor | None,
        n_point: int,
        *tensors: Tensor,
    ) -> Tensor:
        """`tensors` is v_1..v_n (P, K), W_1..W_n (K, C), e_1..e_m (P, C); map_scales (m,) or None.

        scales (n,), or (n, C) and an `offset` (C,) where BatchNorm is affine.
        `stats` receives (mean, biased variance) for each BatchNorm. Returns (P, C).
        """
        vs, ws, es = tensors[:n_point], tensors[n_point : 2 * n_point], tensors[2 * n_point :]
        count = (vs or es)[0].shape[0]
        width = ws[0].shape[1] if ws else es[0].shape[1]
        out = (vs or es)[0].new_zeros(count, width)
        saved = []
        bias = out.new_zeros(width) if offset is None else offset
        for o, (v, w) in enumerate(zip(vs, ws, strict=True)):
            # statistics of y = v W without y: C^2 numbers instead of P C
            first = v.sum(0) / count
            second = (v.t() @ v) / count
            mean = first @ w
            centred = second - torch.outer(first, first)
            # rounding can push the variance of a nearly constant map below zero
            var = (w * (centred @ w)).sum(0).clamp_min(0)
            inv = torch.rsqrt(var + eps)
            stats.append((mean, var))
            out.addmm_(v, w * (inv * scales[o]))
            bias = bias - mean * inv * scales[o]
            saved += [first, second, mean, inv]
        if vs:
            out += bias
        if es:
            assert map_scales is not None
            for k, e in enumerate(es):
                out.add_(e * map_scales[k])
        ctx.save_for_backward(scales, map_scales, *tensors, *saved)
        ctx.n_point, ctx.count = n_point, count
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        """Three products per term; the weight gradient comes from the moments for free."""
        scales, map_scales, *tensors = ctx.saved_tensors
        n, count = ctx.n_point, ctx.count
        n_maps = len(tensors) - 6 * n
        vs, ws, es = tensors[:n], tensors[n : 2 * n], tensors[2 * n : 2 * n + n_maps]
        saved = tensors[2 * n + n_maps :]  # four per term, see forward
        need = ctx.needs_input_grad[6:]  # those of `tensors`; six arguments come first
        g = g.contiguous()
        total = g.sum(0)
        dvs, dws, des, dscales, dmaps = [], [], [], [], []
        for o, (v, w) in enumerate(zip(vs, ws, strict=True)):
            first, second, mean, inv = saved[4 * o : 4 * o + 4]
            product = v.t() @ g
            corr = ((w * product).sum(0) - mean * total) * inv  # sum over p of g * normalised y
            dscales.append(corr if scales.ndim == 2 else corr.sum())
            a = scales[o] * inv  # the gradient of y is a*g + b*y + d, channel by channel
            b = -a * inv * corr / count
            d = -a * total / count - b * mean
            dv = None
            if need[o]:
                dv = torch.addmm(d @ w.t(), g, (w * a).t())
                dv.addmm_(v, (w * b) @ w.t())
            dvs.append(dv)
            # v^T dy = a v^T g + b v^T v W + (v^T 1) d, and v^T v and v^T 1 are moments that are there already
            dws.append(product * a + count * ((second @ w) * b + torch.outer(first, d)) if need[n + o] else None)
        for k, e in enumerate(es):
            des.append(g * map_scales[k] if need[2 * n + k] else None)
            dmaps.append(torch.dot(g.reshape(-1), e.reshape(-1)) if ctx.needs_input_grad[3] else None)
        d_scales = torch.stack(dscales) if n and ctx.needs_input_grad[2] else None
        d_maps = torch.stack(dmaps) if n_maps and ctx.needs_input_grad[3] else None  # type: ignore[arg-type]
        d_offset = total if ctx.needs_input_grad[4] else None
        return (None, None, d_scales, d_maps, d_offset, None, *dvs, *dws, *des)


class Recorder:
    """Collects batch statistics and brings the running statistics of all BatchNorms up to date in one go."""

    def __init__(self) -> None:
        self.entries: list[tuple[nn.BatchNorm2d, Tensor, Tensor, int]] = []

    def add(self, bn: nn.BatchNorm2d, mean: Tensor, var: Tensor, count: int) -> None:
        """Takes mean and biased variance (C,) over `count` values per channel."""
        self.entries.append((bn, mean, var, count))

    @torch.no_grad()
    def flush(self) -> None:
        """Updates running means, running variances (unbiased) and the counters."""
        bns = [entry[0] for entry in self.entries]
        means = [entry[1].detach() for entry in self.entries]
        variances = [entry[2].detach() * (entry[3] / (entry[3] - 1)) for entry in self.entries]
        momentum = bns[0].momentum
        assert momentum is not None
        torch._foreach_lerp_([bn.running_mean for bn in bns], means, momentum)
        torch._foreach_lerp_([bn.running_var for bn in bns], variances, momentum)
        torch._foreach_add_([bn.num_batches_tracked for bn in bns], 1)
        self.entries = []


def point_matrix(conv: nn.Conv2d) -> Tensor:
    """The (in, out) matrix of a convolution whose patches are laid out as its weight is; 1x1 first of all."""
    return conv.weight.flatten(1).t()


def point_sum(
    record: Recorder,
    vs: Sequence[Tensor],
    matrices: Sequence[Tensor],
    bns: Sequence[nn.BatchNorm2d],
    scales: Tensor | None = None,
    maps: Sequence[Tensor] = (),
    map_scales: Tensor | None = None,
    offset: Tensor | None = None,
) -> Tensor:
    """Calls `PointSum` on maps: vs (N, K, H, W), matrices (K, C), maps (N, C, H, W) -> (N, C, H, W)."""
    like = (vs or maps)[0]
    stats: list[tuple[Tensor, Tensor]] = []
    if scales is None:
        scales = like.new_ones(len(vs))
    out = PointSum.apply(
        stats, bns[0].eps if bns else 0.0, scales, map_scales, offset, len(vs),
        *[rows(v) for v in vs], *matrices, *[rows(e) for e in maps],
    )  # fmt: skip
    for bn, (mean, var) in zip(bns, stats, strict=True):
        record.add(bn, mean, var, out.shape[0])
    return unrows(out, like)


def shared_bn(record: Recorder, x: Tensor, bns: Sequence[nn.BatchNorm2d]) -> Tensor:
    """BatchNorm of one map used by several edges: normalised once, every edge's running statistics updated."""
    eps = bns[0].eps
    out, mean, inv = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
    var = inv.detach() ** -2 - eps  # PyTorch hands out 1 / sqrt(var + eps) only
    for bn in bns:
        record.add(bn, mean, var, x.numel() // x.shape[1])
    return out


def subsample(x: Tensor) -> Tensor:
    """Every second row and column, channels_last."""
    return x[:, :, ::2, ::2].contiguous(memory_format=LAST)


def reduce_input(r: Tensor) -> Tensor:
    """The two sub-sampled copies that a FactorizedReduce reads, side by side: (N, C, H, W) -> (N, 2C, H/2, W/2)."""
    shifted = F.pad(r, (0, r.shape[3] % 2, 0, r.shape[2] % 2))[:, :, 1::2, 1::2]
    return torch.cat([r[:, :, ::2, ::2], shifted], dim=1).contiguous(memory_format=LAST)


def reduce_matrix(op: FactorizedReduce) -> Tensor:
    """The (2C, C') matrix of a FactorizedReduce on `reduce_input`: two blocks, zero elsewhere."""
    first, second = point_matrix(op.conv_1), point_matrix(op.conv_2)
    return torch.cat([F.pad(first, (0, second.shape[1])), F.pad(second, (first.shape[1], 0))])
