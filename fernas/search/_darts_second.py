"""The second-order alpha gradient: one look-ahead step of the weights and a finite-difference product."""

import torch
from torch import Tensor

from fernas.search._darts import Darts
from fernas.search._supernet_search import Batch
from fernas.search.darts_second import LOOK_AHEAD_PASSES, SecondOrderConfig


class SecondOrder(Darts):
    """Gradient of the selection loss at w' = w - xi (momentum + grad_w L_train + decay w), with xi the current rate.

    grad_a L_sel(w', a) - xi (grad_a L_train(w+, a) - grad_a L_train(w-, a)) / (2 r), w+- = w +- r grad_w' L_sel(w', a),
    r = epsilon / ||grad_w' L_sel|| (DARTS, equations 7 and 8; the momentum term as the public code has it).
    BatchNorm's running statistics do not take part in the look-ahead: they are put back, since w' is not the network.
    """

    look_ahead_passes = LOOK_AHEAD_PASSES
    options: SecondOrderConfig

    def alpha_gradients(self, selection: Batch, train: Batch) -> float:
        """Leave the unrolled gradient in the alphas and the weights as they were; returns the look-ahead loss."""
        weights, alphas = self.net.weights(), self.net.alphas()
        before = [w.detach().clone() for w in weights]
        buffers = [b.clone() for b in self.net.buffers()]
        # the step that SGD would take now, with its momentum and decay, without touching the state of SGD
        xi = float(self.sgd.param_groups[0]["lr"])
        self.gradients(train, "weights")
        with torch.no_grad():
            for w, start in zip(weights, before, strict=True):
                gradient = torch.zeros_like(w) if w.grad is None else w.grad
                step = gradient + self.options.weight_decay * start
                momentum = self.sgd.state.get(w, {}).get("momentum_buffer")
                if momentum is not None:
                    step = step + self.options.momentum * momentum
                w.copy_(start - xi * step)
        loss = self.gradients(selection, "both")
        direct = [_gradient(a) for a in alphas]
        vector = [_gradient(w) for w in weights]
        norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(v) for v in vector])))
        # a flat selection loss has no direction to look along: the gradient is then the direct term alone
        r = self.options.epsilon / norm if norm > 0 else 0.0
        upper = self._alpha_gradient_at(before, vector, r, train)
        lower = self._alpha_gradient_at(before, vector, -r, train)
        with torch.no_grad():
            for w, start in zip(weights, before, strict=True):
                w.copy_(start)
                w.grad = None
            for buffer, start in zip(self.net.buffers(), buffers, strict=True):
                buffer.copy_(start)
            for a, d, p, n in zip(alphas, direct, upper, lower, strict=True):
                a.grad = d - xi * (p - n) / (2 * r) if r else d
        return loss

    def _alpha_gradient_at(self, start: list[Tensor], vector: list[Tensor], r: float, train: Batch) -> list[Tensor]:
        """Alpha gradients of the training loss at w + r * vector."""
        with torch.no_grad():
            for w, w0, v in zip(self.net.weights(), start, vector, strict=True):
                w.copy_(w0 + r * v)
        self.gradients(train, "alphas")
        return [_gradient(a) for a in self.net.alphas()]


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.detach().clone()
