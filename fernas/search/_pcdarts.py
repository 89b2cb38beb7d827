"""The engine of PC-DARTS: first-order steps on a supernet with partial channels and weights of edges.

Xu et al., "PC-DARTS: partial channel connections for memory-efficient architecture search", ICLR 2020; written from the
paper's section 3.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ContractError
from fernas.search._darts import FirstOrder, run_epochs
from fernas.search._pcdarts_config import PcdartsConfig, partial_cost
from fernas.search.context import SearchContext
from fernas.spaces.cell_space import space_of
from fernas.spaces.supernet import discretise_weights
from fernas.spaces.supernet.partial import PartialNetwork, edge_weights


class PartialChannels(FirstOrder):
    """One search; beside the alphas its architecture step learns a weight per edge."""

    def __init__(self, context: SearchContext, device: torch.device) -> None:
        super().__init__(context, context.network.cells, device)

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the supernet on one image (C, H, W), forward."""
        context = self.context
        return partial_cost(context.space_name, context.network, shape, len(context.classes), context.options.share)

    def make_net(self) -> PartialNetwork:
        """The supernet with fresh weights."""
        context = self.context
        return PartialNetwork(
            space_of(context.space_name),
            context.network.cells,
            context.network.channels,
            context.input_shape[0],
            len(context.classes),
            stem=context.network.stem,
            share=context.options.share,
        )

    def alphas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw alphas, normal and reduce, on the CPU."""
        normal, reduce = (alpha.detach().cpu().clone() for alpha in self.net.alphas()[:2])
        return normal, reduce

    def betas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw weights of edges, normal and reduce, on the CPU."""
        normal, reduce = (beta.detach().cpu().clone() for beta in self.net.alphas()[2:])
        return normal, reduce

    def discretised(self) -> CellsArchitecture:
        """What alphas and betas say now."""
        return discretise_products(self.context.space_name, self.alphas(), self.betas())

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch; the row holds the weights of edges too."""
        row = super().epoch(epoch)
        normal, reduce = ([round(float(value), 7) for value in beta] for beta in self.betas())
        return {**row, "beta_normal": normal, "beta_reduce": reduce}


def discretise_products(space: str, alphas: tuple[Tensor, Tensor], betas: tuple[Tensor, Tensor]) -> CellsArchitecture:
    """DARTS' rule on softmax(alpha) times the normalised weight of the edge."""
    tables = [
        F.softmax(alpha.double(), -1) * edge_weights(beta.double())[:, None]
        for alpha, beta in zip(alphas, betas, strict=True)
    ]
    return discretise_weights(space, *tables)


def search(context: SearchContext) -> Architecture:
    """One search with the number of cells of the final network."""
    options: PcdartsConfig = context.options
    if not len(context.weights) or not len(context.selection):
        raise ContractError(
            f"search: weights and selection need samples, got {len(context.weights)} and {len(context.selection)}"
        )
    if context.network.channels % options.share:
        raise ContractError(
            f"PC-DARTS: network.channels {context.network.channels} can't be divided by share {options.share}"
        )
    device, history, snapshots, state = context.open()
    engine = PartialChannels(context, device)
    run_epochs(engine, history, snapshots.nested({}, "engine"), state["engine"] if state else None)
    return engine.discretised().model_copy(update={"network": context.network_block()})
