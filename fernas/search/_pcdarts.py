"""The engine of PC-DARTS: first-order steps on a supernet with partial channels and weights of edges.

Xu et al., "PC-DARTS: partial channel connections for memory-efficient architecture search", ICLR 2020; written from the
paper's section 3.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ContractError
from fernas.search._supernet_options import partial_cost
from fernas.search._supernet_search import SupernetSearch, run_alone
from fernas.search.context import SearchContext
from fernas.search.pcdarts import PcdartsConfig
from fernas.spaces.cell_space import space_of
from fernas.spaces.supernet import discretise_weights
from fernas.spaces.supernet.partial import PartialSupernet, edge_weights


class PartialChannels(SupernetSearch):
    """One search; its architecture step learns a weight per edge, with the alphas."""

    options: PcdartsConfig

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the supernet on one image (C, H, W), forward."""
        return partial_cost(self.context.size.of_one_image(shape), self.options.share)

    def make_net(self) -> PartialSupernet:
        """The supernet with fresh weights."""
        context = self.context
        return PartialSupernet(
            space_of(context.space_name),
            context.network.cells,
            context.network.channels,
            context.input_shape[0],
            len(context.classes),
            stem=context.network.stem,
            share=self.options.share,
        )

    def alphas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw alphas, normal and reduce, on the CPU."""
        # the supernet lists both alphas first, then both weights of edges
        normal, reduce = (alpha.detach().cpu().clone() for alpha in self.net.alphas()[:2])
        return normal, reduce

    def betas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw weights of edges, normal and reduce, on the CPU."""
        normal, reduce = (beta.detach().cpu().clone() for beta in self.net.alphas()[2:])
        return normal, reduce

    def discretised(self) -> CellsArchitecture:
        """The architecture of the present alphas and betas."""
        return discretise_products(self.context.space_name, self.alphas(), self.betas())

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch; the row holds the weights of edges too."""
        row = super().epoch(epoch)
        normal, reduce = ([round(float(value), 7) for value in beta] for beta in self.betas())
        return {**row, "beta_normal": normal, "beta_reduce": reduce}


def discretise_products(space: str, alphas: tuple[Tensor, Tensor], betas: tuple[Tensor, Tensor]) -> CellsArchitecture:
    """DARTS' rule on softmax(alpha) times the normalised weight of the edge."""
    tables = [
        # as the supernet sums them: an operation's weight times that of its edge, (edges, operations) * (edges, 1)
        F.softmax(alpha.double(), -1) * edge_weights(beta.double())[:, None]
        for alpha, beta in zip(alphas, betas, strict=True)
    ]
    return discretise_weights(space, *tables)


def search(context: SearchContext) -> Architecture:
    """One search."""
    options: PcdartsConfig = context.options
    channels = options.supernet_network(context.network).channels
    if channels % options.share:
        raise ContractError(f"PC-DARTS: {channels} channels of the supernet can't be divided by share {options.share}")
    session = context.open()
    engine = PartialChannels(context, session.device)
    run_alone(engine, session)
    return engine.discretised().model_copy(update={"network": context.network_block()})
