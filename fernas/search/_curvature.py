"""The dominant eigenvalue of the selection loss' Hessian in the alphas: a sign of searches that go wrong.

Zela et al. (2020, "Understanding and robustifying differentiable architecture search") found that a large, growing
eigenvalue goes with networks that lose much when their cells are made discrete. Power iteration; each product of the
Hessian with a vector v is a central difference of gradients, (g(a + r v) - g(a - r v)) / 2r, since the fast supernet
has no second derivatives.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

RADIUS = 0.01
"""Length of the step to either side, in units of alpha."""

TINY = 1e-12


def dominant_eigenvalue(
    alphas: Sequence[Tensor], gradients: Callable[[], Sequence[Tensor]], steps: int, seed: int
) -> float:
    """The eigenvalue of largest size of the Hessian of a loss in some tensors, by power iteration.

    Args:
        alphas: the tensors; they are moved in place and put back bit by bit.
        gradients: the gradients of the loss in them, as they are now.
        steps: of the iteration, with two gradients each.
        seed: of the first direction.

    Returns:
        The Rayleigh quotient of the last direction; 0 where the loss is flat.
    """
    before = [alpha.detach().clone() for alpha in alphas]
    generator = torch.Generator().manual_seed(seed)
    sizes = [alpha.numel() for alpha in alphas]
    direction = torch.randn(sum(sizes), generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    value = 0.0
    try:
        for _ in range(steps):
            sides = []
            for sign in (1.0, -1.0):
                _move(alphas, before, direction * (sign * RADIUS), sizes)
                sides.append(torch.cat([g.detach().double().flatten().cpu() for g in gradients()]))
            product = (sides[0] - sides[1]) / (2 * RADIUS)
            value, length = float(direction @ product), float(product.norm())
            if length < TINY:
                return 0.0
            direction = product / length
    finally:
        _move(alphas, before, None, sizes)
    return value


@torch.no_grad()
def _move(alphas: Sequence[Tensor], before: Sequence[Tensor], by: Tensor | None, sizes: Sequence[int]) -> None:
    parts = [None] * len(sizes) if by is None else list(torch.split(by, list(sizes)))
    for alpha, start, part in zip(alphas, before, parts, strict=True):
        alpha.copy_(start if part is None else start + part.view(start.shape).to(start))
