"""How far two forms of the supernet are apart: logits, gradients, statistics, whole steps. Used by tests and benchmarks."""

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from fernas.spaces.supernet import make_optimizers, make_supernet, require, search_step
from fernas.spaces.supernet.plain import Network


def error(a: Tensor, b: Tensor, scale: float | None = None) -> float:
    """max |a - b| relative to max |b|, or to `scale`."""
    scale = b.abs().max().item() if scale is None else scale
    return (a - b).abs().max().item() / max(scale, 1e-300)


def pair(space, decisions=None, dtype=torch.float64, **sizes) -> tuple[Network, Network]:
    """The same random network twice, plain and fast; alphas are spread so that errors in them would show."""
    torch.manual_seed(3)
    net = make_supernet(space, form="plain", **sizes).to(dtype)
    with torch.no_grad():
        for alpha in net.alphas():
            alpha.copy_(torch.randn_like(alpha))
    other = make_supernet(space, form="fast", **sizes).to(dtype)
    other.load_state_dict(net.state_dict())
    for kind, decided in (decisions or {}).items():
        net.set_decisions(kind, decided)
        other.set_decisions(kind, decided)
    return net, other


def gradient(p: Tensor) -> Tensor:
    """The gradient of a parameter, zeros where none arrived."""
    return torch.zeros_like(p) if p.grad is None else p.grad


def relative(ours: list[Tensor], theirs: list[Tensor], floor: float) -> float:
    """The largest error over pairs of tensors, each on its own scale but not below `floor`."""
    return max(error(a, b, max(b.abs().max().item(), floor)) for a, b in zip(ours, theirs, strict=True))


def compare(space, size, batch=3, decisions=None, dtype=torch.float64, steps=2, **sizes) -> dict[str, float]:
    """Largest relative errors of the fast form against the plain one."""
    net, other = pair(space, decisions, dtype, **sizes)
    generator = torch.Generator().manual_seed(5)
    channels, classes = sizes.get("in_channels", 3), sizes.get("classes", 7)
    x = torch.randn(batch, channels, *size, dtype=dtype, generator=generator)
    y = torch.randint(0, classes, (batch,), generator=generator)
    result = {}
    out, ref = other(x), net(x)
    result["logits"] = error(out, ref)
    F.cross_entropy(ref, y).backward()
    F.cross_entropy(out, y).backward()
    # a gradient that is zero in exact arithmetic has no relative error of its own: floor at 1e-6 of the largest
    floor = 1e-6 * max(gradient(b).abs().max().item() for b in net.weights())
    for name in ("alphas", "weights"):
        ours, theirs = ([gradient(p) for p in getattr(n, name)()] for n in (other, net))
        result[f"gradients of {name}"] = relative(ours, theirs, floor)
    # the mean of a normalised map is zero up to rounding, so statistics are compared on the scale of one at least
    result["running statistics"] = relative(list(other.buffers()), list(net.buffers()), 1.0)
    for alphas, weights in ((True, False), (False, True)):
        third = copy.deepcopy(other)
        third.zero_grad()
        require(third, alphas, weights)
        F.cross_entropy(third(x), y).backward()
        some, full, rest = third.weights(), other.weights(), third.alphas()
        if alphas:
            some, full, rest = third.alphas(), other.alphas(), third.weights()
        key = "alphas alone" if alphas else "weights alone"
        result[key] = relative([gradient(p) for p in some], [gradient(p) for p in full], floor)
        assert all(p.grad is None for p in rest)
    net.zero_grad(), other.zero_grad()
    optimizers = make_optimizers(net), make_optimizers(other)
    x2, y2 = torch.randn(x.shape, dtype=dtype, generator=generator), y.flip(0)
    for _ in range(steps):
        ref_losses = search_step(net, optimizers[0], (x, y), (x2, y2))
        losses = search_step(other, optimizers[1], (x, y), (x2, y2))
        result["losses"] = max(abs(a - b) / abs(b) for a, b in zip(losses, ref_losses, strict=True))
    result["state after steps"] = relative(list(other.state_dict().values()), list(net.state_dict().values()), 1.0)
    net.eval(), other.eval()
    before = copy.deepcopy(other.state_dict())
    with torch.no_grad():
        result["evaluation without gradients"] = error(other(x), net(x))
    result["evaluation"] = error(other(x), net(x))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), other.state_dict().values(), strict=True))
    return result
