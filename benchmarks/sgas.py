"""One step of SGAS in the `search` rule (`Sgas.epoch` on one batch) as edges are decided, and with nothing decided.

Auto-FERNet's space (11 operations), 48 px grey cropped to 44, batch 24, 16 channels, 8 cells, the fast supernet on the
path that runs here, one thread. Decisions are drawn evenly (seeded), for both kinds of cells at once, and nodes with
two of them are pruned as in the search. After the last decision there is no alpha half any more, as in the search.

`python -m benchmarks.sgas [--rounds R] [--batch B]`
"""

import argparse

import torch

from benchmarks._common import run_pair
from benchmarks._search import search_context
from fernas.core.seeds import rng
from fernas.search._sgas import Scores, Sgas, decide
from fernas.spaces.cell_space import space_of
from fernas.spaces.supernet.plain import KINDS

SPACE = "autofernet"
DECISIONS = (2, 4, 6, 8)
EPOCHS = 50  # as published; no edge is decided after the first epoch, which is the one that is timed


class Step:
    """A search with `decisions` for each kind of cell; a call is one step."""

    def __init__(self, decisions: int, batch: int) -> None:
        space = space_of(SPACE)
        context = search_context("sgas", SPACE, (1, 48, 48), batch, epochs=EPOCHS)
        self.engine = Sgas(context, torch.device("cpu"))
        decided: dict[str, list] = {}
        for kind in KINDS:
            edges, random = {}, rng(0, "sgas benchmark", kind)
            for _ in range(decisions):
                score, p = (torch.from_numpy(random.random(size)) for size in (14, (14, len(space.choices))))
                edges, _ = decide(Scores(score, score, score, score, p), edges, space)
            decided[kind] = [[edge, name] for edge, name in edges.items()]
        self.engine.load({**self.engine.state(), "decided": decided})

    def __call__(self) -> None:
        self.engine.epoch(0)


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
