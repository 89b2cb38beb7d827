"""The search step of SGAS as edges are decided, against the same step with nothing decided.

Auto-FERNet's space (11 operations), 44 px grey, batch 24, 16 channels, 8 cells, the fast supernet in the form that
serves here, one thread. Decisions are drawn evenly (seeded), for both kinds of cells at once, and nodes with two of
them are pruned as in the search. After the last decision there is no alpha half any more, as in the search.

`python -m benchmarks.sgas [--rounds R] [--batch B]`
"""

import argparse

import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks._common import run_pair
from fernas.core.seeds import rng
from fernas.search._sgas import KINDS, Scores, decide
from fernas.spaces.cell_space import space_of
from fernas.spaces.supernet import make_optimizers, make_supernet, search_step

DECISIONS = (2, 4, 6, 8)


class Step:
    """A search step with `decisions` for each kind of cell."""

    def __init__(self, decisions: int, batch: int) -> None:
        space = space_of("autofernet")
        torch.manual_seed(0)
        self.net = make_supernet(space, 8, 16, 1, 7)
        self.optimizers = make_optimizers(self.net)
        self.batch, self.with_alphas = batch, decisions < 2 * space.nodes
        for kind in KINDS:
            decided, random = {}, rng(0, "sgas benchmark", kind)
            for _ in range(decisions):
                score, p = (torch.from_numpy(random.random(size)) for size in (14, (14, len(space.choices))))
                decided, _ = decide(Scores(score, score, score, score, p), decided, space)
            self.net.set_decisions(kind, decided)
        self.generator = torch.Generator().manual_seed(1)

    def draw(self):
        images = torch.randn((self.batch, 1, 44, 44), generator=self.generator)
        return images, torch.randint(0, 7, (self.batch,), generator=self.generator)

    def __call__(self) -> None:
        valid, train = self.draw(), self.draw()
        if self.with_alphas:
            search_step(self.net, self.optimizers, valid, train)
            return
        sgd = self.optimizers[1]
        sgd.zero_grad()
        F.cross_entropy(self.net(train[0]), train[1]).backward()
        torch.nn.utils.clip_grad_norm_(self.net.weights(), 5.0)
        sgd.step()


def main(argv: list[str] | None = None) -> None:
    """All stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=24)
    args = parser.parse_args([] if argv is None else argv)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    suffix = "" if args.batch == 24 else f"_batch{args.batch}"
    try:
        undecided = Step(0, args.batch)
        for decisions in DECISIONS:
            name = f"sgas_step_after_{decisions}_decisions{suffix}"
            run_pair(name, Step(decisions, args.batch), undecided, args.rounds, clock="cpu")
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
