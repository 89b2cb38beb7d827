"""The final network of a cell architecture: cells with one operation per kept edge (DARTS' evaluation network)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.core.errors import ConfigError
from fernas.spaces.operations import FactorizedReduce, ReLUConvBN, final_operation

Pairs = Sequence[tuple[str, int]]
STEMS = {"plain": 1, "stride2": 2}  # name -> stride of the first convolution


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Sets whole samples of a path (N, C, H, W) to zero with `probability`, scales the others by 1 / (1 - p)."""
    keep = 1.0 - probability
    return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep).div_(keep)


def reductions(cells: int) -> tuple[int, int]:
    """The places of the two reduction cells: L // 3 and 2 L // 3."""
    return cells // 3, 2 * cells // 3


class Cell(nn.Module):
    """A found cell: two operations per inner node, the nodes of `concat` side by side as output."""

    def __init__(
        self,
        pairs: Pairs,
        concat: Sequence[int],
        c_prev_prev: int,
        c_prev: int,
        channels: int,
        reduction: bool,
        reduction_prev: bool,
    ) -> None:
        super().__init__()
        self.pre_0: nn.Module = (
            FactorizedReduce(c_prev_prev, channels, True)
            if reduction_prev
            else ReLUConvBN(c_prev_prev, channels, 1, 1, True)
        )
        self.pre_1 = ReLUConvBN(c_prev, channels, 1, 1, True)
        self.names = [name for name, _ in pairs]
        self.inputs = [source for _, source in pairs]
        self.concat = list(concat)
        self.out_channels = len(self.concat) * channels
        self.drop_path_p = 0.0
        self.operations = nn.ModuleList(
            final_operation(name, channels, 2 if reduction and source < 2 else 1) for name, source in pairs
        )

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        """(N, c0, H0, W0), (N, c1, H, W) -> (N, len(concat) * C, H', W')."""
        states = [self.pre_0(s0), self.pre_1(s1)]
        for node in range(len(self.inputs) // 2):
            a, b = (self.path(states, 2 * node + i) for i in range(2))
            states.append(a + b)
        return torch.cat([states[i] for i in self.concat], dim=1)

    def path(self, states: list[Tensor], index: int) -> Tensor:
        """One kept edge, with drop path where it is not an identity."""
        operation = self.operations[index]
        x = operation(states[self.inputs[index]])
        if self.training and self.drop_path_p > 0.0 and not isinstance(operation, nn.Identity):
            x = drop_path(x, self.drop_path_p)
        return x


class AuxiliaryHead(nn.Module):
    """DARTS' auxiliary classifier: ReLU, average pool 5 / 3, 1x1 to 128, 2x2 to 768, mean, linear.

    On maps below 8 px, where the 5 / 3 pool leaves less than 2 x 2, an adaptive pool to 2 x 2 stands in.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels, 128, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(128)
        self.conv_2 = nn.Conv2d(128, 768, 2, bias=False)
        self.bn_2 = nn.BatchNorm2d(768)
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, classes)."""
        x = F.relu(x)
        small = min(x.shape[2:]) < 8
        x = F.adaptive_avg_pool2d(x, 2) if small else F.avg_pool2d(x, 5, 3, count_include_pad=False)
        x = F.relu(self.bn_1(self.conv_1(x)))
        x = F.relu(self.bn_2(self.conv_2(x)))
        return self.classifier(x.mean((2, 3)))


class CellNetwork(nn.Module):
    """Stem (3x3 convolution to 3C, BatchNorm), L cells, global average, linear; optional auxiliary head.

    Reduction cells stand at L // 3 and 2 L // 3 and double the width. In training mode with an auxiliary head, forward
    returns (logits, auxiliary logits), else logits. Input float (N, C, H, W).
    """

    def __init__(
        self,
        normal: Pairs,
        normal_concat: Sequence[int],
        reduce: Pairs,
        reduce_concat: Sequence[int],
        cells: int,
        channels: int,
        in_channels: int,
        classes: int,
        stem: str = "plain",
        aux: bool = False,
    ) -> None:
        super().__init__()
        if stem not in STEMS:
            raise ConfigError(f"network.stem must be one of {sorted(STEMS)}, got {stem!r}")
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, STEMS[stem], 1, bias=False), nn.BatchNorm2d(width))
        c_prev_prev, c_prev, c = width, width, channels
        self.cells = nn.ModuleList()
        self.aux_at = reductions(cells)[1]
        self.aux: AuxiliaryHead | None = None
        reduction_prev = False
        for i in range(cells):
            reduction = i in reductions(cells)
            c = 2 * c if reduction else c
            pairs, concat = (reduce, reduce_concat) if reduction else (normal, normal_concat)
            cell = Cell(pairs, concat, c_prev_prev, c_prev, c, reduction, reduction_prev)
            self.cells.append(cell)
            reduction_prev = reduction
            c_prev_prev, c_prev = c_prev, cell.out_channels
            if aux and i == self.aux_at:
                self.aux = AuxiliaryHead(c_prev, classes)
        self.classifier = nn.Linear(c_prev, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images (N, C, H, W) -> logits (N, classes), or (logits, auxiliary logits) in training with a head."""
        s0 = s1 = self.stem(x)
        auxiliary = None
        for i, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if i == self.aux_at and self.aux is not None and self.training:
                auxiliary = self.aux(s1)
        logits = self.classifier(s1.mean((2, 3)))
        return logits if auxiliary is None else (logits, auxiliary)
