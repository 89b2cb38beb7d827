"""How far two forms of the supernet are apart: logits, gradients, statistics, whole steps."""

import copy
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from fernas.spaces.supernet import make_optimizers, make_supernet, require, search_step
from fernas.spaces.supernet.plain import Network


@dataclass(frozen=True)
class Case:
    """A supernet and a batch."""

    space: str
    size: tuple[int, int]
    channels: int
    cells: int = 3
    batch: int = 2
    steps: int = 1
    in_channels: int = 1
    extra: dict = field(default_factory=dict)
    decisions: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)

    def network(self, form: str) -> Network:
        """The same random network in any form; alphas are spread so that errors in them would show."""
        torch.manual_seed(3)
        sizes = {"cells": self.cells, "channels": self.channels, "in_channels": self.in_channels, **self.extra}
        net = make_supernet(self.space, form=form, **sizes).double()
        with torch.no_grad():
            for alpha in net.alphas():
                alpha.copy_(torch.randn_like(alpha))
        for kind, decided in self.decisions.items():
            net.set_decisions(kind, decided)
        for kind, remaining in self.kept.items():
            net.keep_operations(kind, remaining)
        return net

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """Two batches."""
        generator = torch.Generator().manual_seed(5)
        shape = (self.batch, self.in_channels, *self.size)
        return [
            (
                torch.randn(shape, dtype=torch.float64, generator=generator),
                torch.randint(0, 7, (self.batch,), generator=generator),
            )
            for _ in range(2)
        ]


def gradients(parameters) -> list[Tensor]:
    """Gradients of parameters, zeros where none arrived."""
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]


def outcome(case: Case, form: str) -> dict[str, list[Tensor]]:
    """Everything that must be equal: the forward pass, all gradients, statistics, whole steps, evaluation mode."""
    net, ((x, y), (x2, y2)) = case.network(form), case.batches()
    logits = net(x)
    F.cross_entropy(logits, y).backward()
    found = {
        "logits": [logits.detach()],
        "gradients of alphas": gradients(net.alphas()),
        "gradients of weights": gradients(net.weights()),
        "running statistics": [b.clone() for b in net.buffers()],
    }
    if form == "fast":
        found.update(alone(net, x, y))
    net.zero_grad()
    optimizers = make_optimizers(net)
    losses = [torch.tensor(search_step(net, optimizers, (x, y), (x2, y2))) for _ in range(case.steps)]
    found["losses"] = losses
    found["state after steps"] = [t.clone() for t in net.state_dict().values()]
    net.eval()
    with torch.no_grad():
        found["evaluation without gradients"] = [net(x)]
    found["evaluation"] = [net(x).detach()]
    assert all(torch.equal(a, b) for a, b in zip(found["state after steps"], net.state_dict().values(), strict=True))
    return found


def alone(net: Network, x: Tensor, y: Tensor) -> dict[str, list[Tensor]]:
    """Gradients of one kind only; the network's state is put back."""
    state, found = copy.deepcopy(net.state_dict()), {}
    for wanted, rest in (("alphas", "weights"), ("weights", "alphas")):
        net.zero_grad()
        require(net, wanted == "alphas", wanted == "weights")
        loss = F.cross_entropy(net(x), y)
        if loss.requires_grad:
            loss.backward()
        found[f"gradients of {wanted} alone"] = gradients(getattr(net, wanted)())
        assert all(p.grad is None for p in getattr(net, rest)())
    require(net, True, True)
    net.load_state_dict(state)
    return found


def errors(ours: dict[str, list[Tensor]], theirs: dict[str, list[Tensor]]) -> dict[str, float]:
    """The largest relative error of each quantity, every tensor on its own scale with a floor.

    A gradient that is zero in exact arithmetic has no scale of its own: floor at 1e-6 of the largest. The mean of a
    normalised map is zero up to rounding: statistics and states are compared on the scale of one at least.
    """
    largest = max(b.abs().max().item() for b in theirs["gradients of weights"])
    found = {}
    for name, tensors in ours.items():
        floor = 1e-6 * largest if name.startswith("gradients") else 1.0
        others = theirs[name.removesuffix(" alone")]
        found[name] = max(
            (a - b).abs().max().item() / max(b.abs().max().item(), floor) for a, b in zip(tensors, others, strict=True)
        )
    return found
