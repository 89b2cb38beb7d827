"""BatchNorm as per-channel factors, so that it costs no pass over a map of its own.

With y the product of a convolution over P values per channel, m = mean, s = 1 / sqrt(var + eps) and the output
z = gamma * (y - m) * s + beta:

    forward    z = scale * y + shift          scale = gamma * s, shift = beta - m * scale
    backward   dy = a * g + b * y + d         a = gamma * s, b = -a * s * corr / P, d = -a * sum(g) / P - b * m
               corr = sum(g * (y - m) * s), which is also the gradient of gamma; the gradient of beta is sum(g)

All of this is in float64: the sums run over all pixels of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class BatchStatistics:
    """Batch statistics of a forward pass, for the running statistics of all BatchNorms."""

    def __init__(self) -> None:
        self.bns: list[nn.BatchNorm2d] = []
        self.means: list[Tensor] = []
        self.variances: list[Tensor] = []

    def add(self, bns: Sequence[nn.BatchNorm2d], mean: Tensor, var: Tensor, count: int) -> None:
        """Takes mean and biased variance (K, C) over `count` values, for K modules."""
        self.bns += bns
        self.means += mean.unbind(0)
        # PyTorch normalises by the biased variance, but keeps the unbiased one as running statistic
        self.variances += (var * (count / (count - 1))).unbind(0)

    def update(self, momentum: float, dtype: torch.dtype) -> None:
        """Moves all running means and variances towards the batch's, in three calls for the whole network."""
        for values, name in ((self.means, "running_mean"), (self.variances, "running_var")):
            parts = torch.cat(values).to(dtype).split([v.shape[0] for v in values])
            torch._foreach_lerp_([getattr(bn, name) for bn in self.bns], list(parts), momentum)
        torch._foreach_add_([bn.num_batches_tracked for bn in self.bns], 1)


class Normaliser:
    """The BatchNorms of one forward pass: batch statistics in training, running statistics in evaluation."""

    def __init__(self, eps: float, is_training: bool) -> None:
        self.eps, self.is_training = eps, is_training
        self.statistics = BatchStatistics()

    def normalise(self, sums: Tensor, bns: Sequence[nn.BatchNorm2d], count: int) -> tuple[Tensor, Tensor]:
        """Means m and inverse deviations s of K BatchNorms.

        Args:
            sums: (K, 2, C) float64, over the map and over its square.
            bns: the K modules; C may exceed their channels by padding.
            count: values per channel.

        Returns:
            m and s, each (K, C) float64.
        """
        if self.is_training:
            mean, var, inv = moments(sums, count, self.eps)
            width = bns[0].num_features
            self.statistics.add(bns, mean[:, :width], var[:, :width], count)
            return mean, inv
        padding = (0, sums.shape[-1] - bns[0].num_features)
        mean, var = (
            nn.functional.pad(torch.stack([getattr(bn, name) for bn in bns]).double(), padding)
            for name in ("running_mean", "running_var")
        )
        return mean, torch.rsqrt(var + self.eps)


def moments(sums: Tensor, count: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sums (..., 2, C) -> mean, biased variance, 1 / sqrt(variance + eps), each (..., C) in float64."""
    mean = sums[..., 0, :] / count
    var = (sums[..., 1, :] / count - mean * mean).clamp_min_(0)  # rounding may leave a tiny negative number
    return mean, var, torch.rsqrt(var + eps)


def scale_and_shift(mean: Tensor, inv: Tensor, affine: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """The forward factors, each (K, C) float64; `affine` is gamma and beta (K, C), or None."""
    if affine is None:
        return inv, -mean * inv
    scale = affine[0] * inv
    return scale, affine[1] - mean * scale


def backward_factors(
    sums: tuple[Tensor, Tensor], mean: Tensor, inv: Tensor, gamma: Tensor | float, count: int
) -> tuple[Tensor, Tensor]:
    """The backward factors of K BatchNorms.

    Args:
        sums: over pixels, of g and of g * y, each (K, C).
        mean: (K, C).
        inv: (K, C).
        gamma: (K, C), or a number for all.
        count: values per channel.

    Returns:
        corr (K, C), and (a, b, d) as (K, 3, C).
    """
    total, product = sums
    corr = (product - mean * total) * inv
    a = gamma * inv
    b = -a * inv * corr / count
    return corr, torch.stack([a, b, -a * total / count - b * mean], dim=1)
