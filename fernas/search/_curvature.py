"""The dominant eigenvalue of the selection loss' Hessian in the alphas: a sign of searches that go wrong.

Zela et al. (2020, "Understanding and robustifying differentiable architecture search") found that a large, growing
eigenvalue goes with networks that lose much when their cells are made discrete. Power iteration; each product of the
Hessian with a vector v is a central difference of gradients, (g(a + r v) - g(a - r v)) / 2r, since the fast supernet
has no second derivatives.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fernas.core.seeds import derive_seed
from fernas.learn.augment import evaluation_view
from fernas.search._supernet_options import curvature_batch

if TYPE_CHECKING:
    from fernas.search._supernet_search import SupernetSearch

RADIUS = 0.01
"""Length of the step to either side, in units of alpha."""

# a product shorter than this counts as a flat loss: it has no direction to continue in
TINY = 1e-12


def curvature(engine: "SupernetSearch", steps: int) -> float:
    """The dominant eigenvalue of the selection loss in a search's alphas, on one batch; the search goes on unchanged.

    The batch is always the same, without augmentation. BatchNorm uses its statistics; its running ones, the random
    state and the alphas are put back.
    """
    part = engine.context.selection
    count = curvature_batch(engine.options, len(part))
    indices = np.linspace(0, len(part) - 1, count).astype(np.int64)
    images = evaluation_view(part.batch(indices).to(engine.device), engine.options.augment)
    batch = images, torch.from_numpy(part.labels[indices]).to(engine.device)
    buffers = {name: buffer.detach().clone() for name, buffer in engine.net.named_buffers()}
    # everything that a pass changes is put back, so that looking changes nothing about the search
    random = torch.get_rng_state()
    engine.net.train()

    def gradients() -> list[Tensor]:
        engine.gradients(batch, "alphas")
        return [torch.zeros_like(a) if a.grad is None else a.grad for a in engine.net.alphas()]

    value = dominant_eigenvalue(list(engine.net.alphas()), gradients, steps, derive_seed(engine.seed, "curvature"))
    with torch.no_grad():
        for name, buffer in engine.net.named_buffers():
            buffer.copy_(buffers[name])
    torch.set_rng_state(random)
    # each step of the iteration takes two gradients
    engine.context.budget.spend(engine.macs_full, 2 * steps * count)
    return value


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
    # float64: differences of two nearby gradients lose digits
    direction = torch.randn(sum(sizes), generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    value = 0.0
    try:
        for _ in range(steps):
            gradients_beside = []
            for sign in (1.0, -1.0):
                _move(alphas, before, direction * (sign * RADIUS), sizes)
                gradients_beside.append(torch.cat([g.detach().double().flatten().cpu() for g in gradients()]))
            product = (gradients_beside[0] - gradients_beside[1]) / (2 * RADIUS)
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
