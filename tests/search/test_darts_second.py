"""The second-order gradient against autograd through the look-ahead step."""

import torch
import torch.nn.functional as F
from torch.func import functional_call

from fernas.search._darts_second import SecondOrder
from tests.fixtures.toy_searches import darts_engine, next_batches


def test_the_unrolled_gradient_equals_autograd_through_the_step(tmp_path):
    """Finite differences against the exact derivative of L_sel(w - xi (m + grad L_train + decay w), alpha), float64."""
    e = darts_engine(
        SecondOrder, tmp_path, "darts_second", epsilon=1e-8, lr=0.05
    )  # so small that no ReLU changes sides
    e.net.double().train()
    (xs, ys), (xt, yt) = next_batches(e)
    selection, train = (xs.double(), ys), (xt.double(), yt)
    generator = torch.Generator().manual_seed(9)
    for w in e.net.weights():
        e.sgd.state[w]["momentum_buffer"] = 0.01 * torch.randn(w.shape, generator=generator, dtype=torch.float64)
    weights = {n: p for n, p in e.net.named_parameters() if not n.startswith("alpha_")}
    alphas = {n: p for n, p in e.net.named_parameters() if n.startswith("alpha_")}
    buffers = {n: b.clone() for n, b in e.net.named_buffers()}

    def loss(values, data):
        out = functional_call(e.net, {**values, **alphas, **{n: b.clone() for n, b in buffers.items()}}, (data[0],))
        return F.cross_entropy(out, data[1])

    gradients = torch.autograd.grad(loss(weights, train), list(weights.values()), create_graph=True, allow_unused=True)
    moved = {}
    for (name, w), g in zip(weights.items(), gradients, strict=True):
        g = torch.zeros_like(w) if g is None else g
        momentum = e.options.momentum * e.sgd.state[w]["momentum_buffer"]
        moved[name] = w - 0.05 * (momentum + g + e.options.weight_decay * w)
    exact = torch.autograd.grad(loss(moved, selection), list(alphas.values()))
    direct = torch.autograd.grad(loss({n: w.detach() for n, w in moved.items()}, selection), list(alphas.values()))

    before = [w.detach().clone() for w in e.net.weights()]
    e.alpha_gradients(selection, train)
    for alpha, expected, first in zip(e.net.alphas(), exact, direct, strict=True):
        assert torch.allclose(alpha.grad, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
        # the implicit term is not noise here: leaving it out would be a hundred times farther off than the tolerance
        assert float((expected - first).abs().max()) > 20 * float((alpha.grad - expected).abs().max())
    assert all(torch.equal(w, old) for w, old in zip(e.net.weights(), before, strict=True))
    assert all(torch.equal(b, buffers[n]) for n, b in e.net.named_buffers())
