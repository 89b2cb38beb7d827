"""The supernet with partial channels and edge normalisation (PC-DARTS, Xu et al., ICLR 2020), in plain form.

An edge sends 1 / K of its channels through the mixed operation and lets the others pass, so that a step needs about
1 / K of memory and work; what enters a node is weighted per edge. Written from the paper's equations 2 and 3.
"""

import functools

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.core.errors import ConfigError
from fernas.spaces.cell_space import CellSpace, edge_list
from fernas.spaces.supernet import plain

SHARE = 4


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels in an order that mixes `groups` blocks: channel b of block a goes to place b * groups + a."""
    n, channels, height, width = x.shape
    return x.view(n, groups, channels // groups, height, width).transpose(1, 2).reshape(n, channels, height, width)


class PartialMixedOp(plain.MixedOp):
    """The first C / K channels go through the mixed operation, the others pass (a 2x2 maximum where the stride is 2).

    The two parts are put side by side and shuffled, so that the next edge samples other channels.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int = SHARE) -> None:
        if channels % share:
            raise ConfigError(f"partial channels: {channels} channels can't be divided by share {share}")
        super().__init__(names, channels // share, stride)
        self.share, self.part, self.stride = share, channels // share, stride

    def forward(
        self, x: Tensor, weights: Tensor, columns: tuple[int, ...] | None = None, skip_dropout: float = 0.0
    ) -> Tensor:
        """(N, C, H, W) and weights (operations,) -> (N, C, H', W')."""
        mixed = super().forward(x[:, : self.part], weights, columns, skip_dropout)
        if self.share == 1:
            return mixed
        passing = x[:, self.part :]
        if self.stride == 2:
            passing = F.max_pool2d(passing, 2, 2, ceil_mode=True)
        return shuffle(torch.cat([mixed, passing], dim=1), self.share)


class PartialCell(plain.SupernetCell):
    """A cell whose table of weights has one more column: the weight of the edge."""

    def __init__(self, *sizes: object, share: int = SHARE) -> None:
        self.mixed_type = functools.partial(PartialMixedOp, share=share)
        super().__init__(*sizes)  # type: ignore[arg-type]

    def _edge(self, edge: int, x: Tensor, weights: Tensor) -> Tensor | None:
        term = super()._edge(edge, x, weights[:, :-1])
        return None if term is None else weights[edge, -1] * term


class PartialSupernet(plain.Supernet):
    """The supernet; beside the alphas it learns one number per edge, normalised over the edges that enter a node."""

    def __init__(
        self,
        space: CellSpace,
        cells: int = 8,
        channels: int = 16,
        in_channels: int = 3,
        classes: int = 7,
        nodes: int | None = None,
        stem: str = "plain",
        share: int = SHARE,
    ) -> None:
        self.cell_type = functools.partial(PartialCell, share=share)  # before the base class builds its cells
        super().__init__(space, cells, channels, in_channels, classes, nodes, stem)
        self.share = share
        edges = edge_list(self.nodes)
        self.beta_normal = nn.Parameter(1e-3 * torch.randn(len(edges)))
        self.beta_reduce = nn.Parameter(1e-3 * torch.randn(len(edges)))

    def alphas(self) -> list[nn.Parameter]:
        """Everything that the architecture step learns: alphas (edges, operations), then betas (edges,)."""
        return [self.alpha_normal, self.alpha_reduce, self.beta_normal, self.beta_reduce]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters."""
        return [p for name, p in self.named_parameters() if not name.startswith(("alpha_", "beta_"))]

    def softmax(self) -> tuple[Tensor, Tensor]:
        """Softmax of the alphas, and as last column of the betas: normal, reduce, each (edges, operations + 1)."""
        tables = []
        for alpha, beta in ((self.alpha_normal, self.beta_normal), (self.alpha_reduce, self.beta_reduce)):
            tables.append(torch.cat([F.softmax(alpha, -1), edge_weights(beta)[:, None]], dim=1))
        return tables[0], tables[1]


def edge_weights(beta: Tensor) -> Tensor:
    """Softmax of beta (edges,) over the edges that enter the same node (PC-DARTS, equation 3)."""
    sizes: list[int] = []
    while sum(sizes) < len(beta):
        sizes.append(2 + len(sizes))
    return torch.cat([F.softmax(part, 0) for part in beta.split(sizes)])
