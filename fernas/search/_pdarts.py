"""The engine of P-DARTS: stages of growing depth, operations dropped between them, skip connections held back.

Chen, Xie, Wu, Tian, "Progressive differentiable architecture search", ICCV 2019; written from the paper's sections 3.2
and 3.3.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.search._supernet_search import SKIP, SupernetSearch, note_kernels, run_epochs
from fernas.search.context import SearchContext
from fernas.search.pdarts import PdartsConfig, Stage
from fernas.spaces.cell_space import CellSpace, edge_list, space_of
from fernas.spaces.complexity import supernet_macs
from fernas.spaces.supernet import discretise_weights
from fernas.spaces.supernet.plain import KINDS, Supernet

Remaining = dict[str, dict[int, tuple[str, ...]]]  # kind of cell -> edge -> operations that remain


class Progressive(SupernetSearch):
    """First-order steps of one stage, on the operations that remain, with dropout behind its skip connections."""

    def __init__(self, context: SearchContext, stage: Stage, operations: Remaining, device: torch.device) -> None:
        self.stage, self.operations = stage, operations
        super().__init__(context, device, stage.cells)

    def make_net(self) -> Supernet:
        """The supernet of the stage with fresh weights and alphas."""
        net = super().make_net()
        for kind, remaining in self.operations.items():
            net.keep_operations(kind, remaining)
        return net

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the stage's supernet on one image (C, H, W), forward."""
        context = self.context
        sizes = (context.space_name, self.stage.cells, context.network.channels)
        return supernet_macs(*sizes, shape, len(context.classes), stem=context.network.stem, operations=self.operations)

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch of the stage; the row counts epochs over all stages."""
        dropout = skip_dropout(self.stage.skip_dropout, epoch, self.options.epochs)
        self.net.set_skip_dropout(dropout)
        row = super().epoch(epoch)
        number = self.stage.number
        return {
            "epoch": number * self.options.epochs + epoch,
            "stage": number,
            "operations": self.stage.operations,
            "skip_dropout": dropout,
            **row,
        }


def skip_dropout(start: float, epoch: int, epochs: int) -> float:
    """The dropout behind skip connections in an epoch of a stage: falls linearly from `start` towards 0."""
    return start * (1 - epoch / epochs)


def strongest_operations(space: CellSpace, alpha: Tensor, count: int) -> dict[int, tuple[str, ...]]:
    """The `count` operations of each edge with the largest softmax(alpha), in the space's order; of equals the earlier.

    alpha: raw (edges, operations); dropped operations stand at `DROPPED` and cannot come back while others remain.
    """
    weights = F.softmax(alpha.double(), -1).tolist()
    remaining = {}
    for edge, row in enumerate(weights):
        order = sorted(range(len(row)), key=lambda o: (-row[o], o))
        remaining[edge] = tuple(space.operations[o] for o in sorted(order[:count]))
    return remaining


def limit_skips(space: CellSpace, normal: Tensor, reduce: Tensor, limit: int | None) -> CellsArchitecture:
    """DARTS' rule on softmax weights; while the normal cell has more than `limit` skips, it is made again without some.

    The `limit` strongest skips of the cell stay, the weights of its other skips become 0 (the edge's other weights are
    not normalised anew), and the rule runs again; other skips may enter then, so it repeats.

    Args:
        space: the cell space.
        normal: raw alphas (edges, operations) of normal cells.
        reduce: of reduction cells, where skips are not limited.
        limit: largest number of skips, None for any.
    """
    table = F.softmax(normal.detach().double().cpu(), -1)
    other = F.softmax(reduce.detach().double().cpu(), -1)
    column, edges = space.operations.index(SKIP), edge_list(space.nodes)
    while True:
        # removing skips can let others in, which were weaker before: so again until the limit holds
        architecture = discretise_weights(space, table, other)
        skipping = [
            edges.index((i // 2, source)) for i, (name, source) in enumerate(architecture.normal) if name == SKIP
        ]
        if limit is None or len(skipping) <= limit:
            return architecture
        skipping.sort(key=lambda edge: (-float(table[edge, column]), edge))
        table[skipping[limit:], column] = 0.0


def search(context: SearchContext) -> Architecture:
    """All stages one after another; a killed search continues in the epoch of its last checkpoint."""
    options: PdartsConfig = context.options
    space = space_of(context.space_name)
    session = context.open()
    snapshots, state = session.snapshots, session.state
    note_kernels(context)
    done: list[dict[str, Tensor]] = list(state["stages"]) if state else []
    for stage in options.stages(context.network, space.name):
        if stage.number < len(done):
            continue
        operations: Remaining = {}  # all of them in the first stage
        if done:
            operations = {kind: strongest_operations(space, done[-1][kind], stage.operations) for kind in KINDS}
        engine = Progressive(context, stage, operations, session.device)
        resume = state.get("engine") if state and stage.number == len(state["stages"]) else None
        alphas = run_epochs(engine, session.history, snapshots.nested({"stages": list(done)}, "engine"), resume)
        done.append(dict(zip(KINDS, alphas, strict=True)))
        snapshots.save({"stages": list(done)})
    architecture = limit_skips(space, done[-1]["normal"], done[-1]["reduce"], options.max_skips)
    return architecture.model_copy(update={"network": context.network_block()})
