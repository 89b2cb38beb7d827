"""The whole search step (both halves, optimizers included) of the fast supernet against the plain form.

The plain form is what public DARTS code does: edge by edge, NCHW, plain modules, all gradients in both halves.

* w2: 7 operations, 64 px RGB, batch 16; w1: 11 operations, 44 px grey, batch 24. Both: 16 channels, 8 cells.
* `_kernels`: the compiled path; `_pure`: PyTorch operations only.

`python -m benchmarks.supernet [--batch B] [--rounds R] [--threads T] [w2 w1]`; a smaller batch is for a quick
look only and is not recorded under the name.
"""

import argparse
import contextlib
import math

import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks._common import run_sides
from fernas.spaces.kernels import library as kernels
from fernas.spaces.supernet import kernels_status, make_optimizers, make_supernet, search_step
from fernas.spaces.supernet.plain import Network

WORKS = {  # name -> space, image channels, image size, batch
    "emonas_w2": ("emonas", 3, 64, 16),
    "autofernet_w1": ("autofernet", 1, 44, 24),
}


def plain_step(net: Network, optimizers, valid, train, clip: float = 5.0) -> tuple[float, float]:
    """The step as the public code writes it: every gradient is computed in both halves."""
    adam, sgd = optimizers
    adam.zero_grad()
    loss_alpha = F.cross_entropy(net(valid[0]), valid[1])
    loss_alpha.backward()
    adam.step()
    sgd.zero_grad()
    loss_weight = F.cross_entropy(net(train[0]), train[1])
    loss_weight.backward()
    torch.nn.utils.clip_grad_norm_(net.weights(), clip)
    sgd.step()
    return loss_alpha.item(), loss_weight.item()


class Form:
    """One network with its optimizers; a call is one step on the next batches."""

    def __init__(self, kind: str, work: str, batch: int) -> None:
        space, self.in_channels, self.size, _ = WORKS[work]
        torch.manual_seed(0)
        self.kind, self.batch = kind, batch
        form = "plain" if kind == "plain" else "fast"
        self.net = make_supernet(space, 8, 16, self.in_channels, 7, form=form)
        self.optimizers = make_optimizers(self.net)
        self.generator = torch.Generator().manual_seed(1)

    def draw(self):
        shape = (self.batch, self.in_channels, self.size, self.size)
        return torch.randn(shape, generator=self.generator), torch.randint(
            0, 7, (self.batch,), generator=self.generator
        )

    def __call__(self) -> None:
        step = plain_step if self.kind == "plain" else search_step
        with contextlib.nullcontext() if self.kind == "kernels" else kernels.disabled():
            losses = step(self.net, self.optimizers, self.draw(), self.draw())
        assert all(math.isfinite(loss) for loss in losses), losses


def run(work: str, rounds: int, threads: int, batch: int | None) -> None:
    """Both paths against the plain form."""
    torch.set_num_threads(threads)
    full = WORKS[work][3]
    name = f"supernet_step_{work}" + ("" if batch in (None, full) else f"_batch{batch}")
    kinds = ["kernels", "pure"]
    if kernels.load() is None:
        print(f"{name}_kernels: left out, {kernels_status()}")
        kinds.remove("kernels")
    ours = {f"{name}_{kind}": Form(kind, work, batch or full) for kind in kinds}
    run_sides(ours, Form("plain", work, batch or full), rounds, threads, clock="cpu" if threads == 1 else "wall")


def main(argv: list[str] | None = None) -> None:
    """Runs the works asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", default=list(WORKS))
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args([] if argv is None else argv)
    before = torch.get_num_threads()
    try:
        for work in args.work:
            run(next(w for w in WORKS if w.endswith(work)), args.rounds, args.threads, args.batch)
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
