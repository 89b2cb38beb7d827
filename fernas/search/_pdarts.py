"""The engine of P-DARTS: stages of growing depth, operations dropped between them, skip connections held back.

Chen, Xie, Wu, Tian, "Progressive differentiable architecture search", ICCV 2019; written from the paper's sections 3.2
and 3.3.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.architecture import Architecture
from fernas.search._supernet_search import Batch, SupernetSearch, note_kernels, run_epochs
from fernas.search.context import SearchContext
from fernas.search.pdarts import PdartsConfig, Stage
from fernas.spaces.cell_space import CellSpace, space_of
from fernas.spaces.complexity import supernet_macs
from fernas.spaces.supernet import limit_skips
from fernas.spaces.supernet.plain import KINDS, Supernet

AUTHORS_DECAY = 0.2  # per epoch, of the skip dropout while the alphas learn
Remaining = dict[str, dict[int, tuple[str, ...]]]  # kind of cell -> edge -> operations that remain


class Progressive(SupernetSearch):
    """First-order steps of one stage, on the operations that remain, with dropout behind its skip connections."""

    options: PdartsConfig

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

    def alpha_gradients(self, selection: Batch, train: Batch) -> float:
        """As the first order, clipped at the norm at which the weights' gradient is."""
        loss = super().alpha_gradients(selection, train)
        nn.utils.clip_grad_norm_(self.net.alphas(), self.options.clip)
        return loss

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch of the stage; the row counts epochs over all stages."""
        dropout = skip_dropout(self.stage.skip_dropout, epoch, self.options)
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


def skip_dropout(start: float, epoch: int, options: PdartsConfig) -> float:
    """The dropout behind skip connections in an epoch of a stage: falls linearly from `start` towards 0.

    With `skip_dropout_decay: authors` that holds while only the weights learn. With the alphas' first epoch the dropout
    is back at `start`, and it falls by exp(-0.2) per epoch from there.
    """
    learning = epoch - options.warmup_epochs
    if options.skip_dropout_decay == "authors" and learning >= 0:
        return start * math.exp(-AUTHORS_DECAY * learning)
    return start * (1 - epoch / options.epochs)


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
