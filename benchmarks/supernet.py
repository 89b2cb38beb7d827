"""One step of the `search` rule (`SupernetSearch.epoch` on one batch) with the fast supernet and with the plain form.

The step holds both halves, the optimisers, the augmentation of both batches, the meter and the heartbeat. The other
side runs the same engine as public DARTS code does: edge by edge, NCHW, plain modules, all gradients in both halves.

* w2: 7 operations, 64 px RGB, batch 16; w1: 11 operations, 44 px grey, batch 24. Both: 16 channels, 8 cells.
* `_kernels`: the compiled path; `_pure`: PyTorch operations only.

`python -m benchmarks.supernet [--batch B] [--rounds R] [--threads T] [w2 w1]`; a smaller batch is for a quick
look only and is not recorded under the name.
"""

import argparse
import contextlib

import torch

from benchmarks._common import run_sides
from benchmarks._search import search_context
from fernas.search._darts import Darts
from fernas.search._supernet_search import Batch
from fernas.spaces import kernels
from fernas.spaces.kernels import library

WORKS = {  # name -> space, shape of an image, batch
    "emonas_w2": ("emonas", (3, 64, 64), 16),
    "autofernet_w1": ("autofernet", (1, 44, 44), 24),
}


class PublicDarts(Darts):
    """The search as the public code writes it: every gradient is computed in both halves."""

    def batch(self, part: str, generator: torch.Generator) -> Batch:
        images, labels = super().batch(part, generator)
        return images.contiguous(), labels

    def gradients(self, batch: Batch, of: str) -> float:
        return super().gradients(batch, "both")


class Step:
    """One form of the search; a call is one step on the next batches."""

    def __init__(self, kind: str, work: str, batch: int) -> None:
        space, shape, _ = WORKS[work]
        self.kind = kind
        form = "plain" if kind == "plain" else "fast"
        engine = PublicDarts if kind == "plain" else Darts
        self.engine = engine(search_context("darts_first", space, shape, batch, form=form), torch.device("cpu"))

    def __call__(self) -> None:
        with contextlib.nullcontext() if self.kind == "kernels" else kernels.disabled():
            self.engine.epoch(0)  # raises where a loss is not finite


def run(work: str, rounds: int, threads: int, batch: int | None) -> None:
    """Both paths against the plain form."""
    torch.set_num_threads(threads)
    full = WORKS[work][2]
    name = f"supernet_step_{work}" + ("" if batch in (None, full) else f"_batch{batch}")
    kinds = ["kernels", "pure"]
    if library.load() is None:
        print(f"{name}_kernels: left out, {kernels.status()}")
        kinds.remove("kernels")
    ours = {f"{name}_{kind}": Step(kind, work, batch or full) for kind in kinds}
    run_sides(ours, Step("plain", work, batch or full), rounds, threads, clock="cpu" if threads == 1 else "wall")


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
