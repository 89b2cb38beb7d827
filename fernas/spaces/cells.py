"""The final network of a cell architecture: cells with one operation per edge (DARTS' evaluation network)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.core.architecture import CellsArchitecture
from fernas.core.errors import ConfigError
from fernas.spaces import kernels
from fernas.spaces.cell_space import STEMS, reductions
from fernas.spaces.kernels import CellPlan, Edge, NetPlan
from fernas.spaces.operations import FactorizedReduce, ReLUConvBN, final_operation

Pairs = Sequence[tuple[str, int]]


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Sets whole samples of a path (N, C, H, W) to zero with `probability`, scales the others by 1 / (1 - p)."""
    keep = 1.0 - probability
    return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep).div_(keep)


class FinalCell(nn.Module):
    """A searched cell: two operations per inner node, the nodes of `concat` side by side as output."""

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
        # behind a reduction cell the older input is still twice as large
        self.pre_0: nn.Module = (
            FactorizedReduce(c_prev_prev, channels, True)
            if reduction_prev
            else ReLUConvBN(c_prev_prev, channels, 1, 1, True)
        )
        self.pre_1 = ReLUConvBN(c_prev, channels, 1, 1, True)
        self.names = [name for name, _ in pairs]
        self.inputs = [source for _, source in pairs]
        self.concat = list(concat)
        self.channels, self.reduction = channels, reduction
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

    def plan(self) -> CellPlan:
        """What the compiled loops have to do in this cell."""
        edges = [
            Edge(i // 2, source, 2 if self.reduction and source < 2 else 1, ((0, name, operation),))
            for i, (source, name, operation) in enumerate(zip(self.inputs, self.names, self.operations, strict=True))
        ]
        return CellPlan((self.pre_0, self.pre_1), edges, len(edges) // 2, self.channels, self.reduction, 1)

    def drop_factors(self, images: int, dtype: torch.dtype) -> Tensor | None:
        """Drop path as factors (edges, N), drawn as `path` draws them; None where nothing is dropped."""
        if not self.training or self.drop_path_p <= 0.0:
            return None
        keep = 1.0 - self.drop_path_p
        factors = torch.ones(len(self.inputs), images, dtype=dtype)
        for edge, operation in enumerate(self.operations):
            if not isinstance(operation, nn.Identity):  # DARTS never drops a skip connection
                factors[edge] = torch.empty(images, dtype=dtype).bernoulli_(keep).div_(keep)
        return factors

    def path(self, states: list[Tensor], index: int) -> Tensor:
        """One edge, with drop path where it is not an identity."""
        operation = self.operations[index]
        x = operation(states[self.inputs[index]])
        if self.training and self.drop_path_p > 0.0 and not isinstance(operation, nn.Identity):
            x = drop_path(x, self.drop_path_p)
        return x


class AuxiliaryHead(nn.Module):
    """DARTS' auxiliary classifier: ReLU, average pool 5 / 3, 1x1 to 128, 2x2 to 768, mean, linear.

    On maps below 8 px, where the 5 / 3 pool leaves less than 2 x 2, an adaptive pool to 2 x 2 replaces it.
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

    Reduction cells are at L // 3 and 2 L // 3 and double the width. In training mode with an auxiliary head, forward
    returns (logits, auxiliary logits), else logits. Input float (N, C, H, W).
    """

    def __init__(
        self,
        arch: CellsArchitecture,
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
        self.channels = channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, STEMS[stem], 1, bias=False), nn.BatchNorm2d(width))
        c_prev_prev, c_prev, c = width, width, channels
        self.cells = nn.ModuleList()
        self.aux_at = reductions(cells)[1]
        self.aux: AuxiliaryHead | None = None
        self.all_nodes = True  # every cell's output is all of its nodes in order: all that the compiled loops know
        reduction_prev = False
        for i in range(cells):
            reduction = i in reductions(cells)
            c = 2 * c if reduction else c
            pairs, concat = (arch.reduce, arch.reduce_concat) if reduction else (arch.normal, arch.normal_concat)
            cell = FinalCell(pairs, concat, c_prev_prev, c_prev, c, reduction, reduction_prev)
            self.cells.append(cell)
            reduction_prev = reduction
            c_prev_prev, c_prev = c_prev, cell.out_channels
            self.all_nodes = self.all_nodes and cell.concat == list(range(2, 2 + len(pairs) // 2))
            if aux and i == self.aux_at:
                self.aux = AuxiliaryHead(c_prev, classes)
        self.classifier = nn.Linear(c_prev, classes)

    def compiled_features(self, x: Tensor) -> tuple[Tensor, Tensor | None] | None:
        """What `features` gives, by the compiled loops; None where these cannot run."""
        names = [name for cell in self.cells for name in cell.names]
        if not self.all_nodes or not kernels.is_usable(x, self.classifier.weight, self.training, self.channels, names):
            return None
        stem = self.stem(x)
        plan = self.plan()
        # an operation of a final cell has weight one; both kinds of cells share the table of ones
        ones = torch.ones(max(len(cell.edges) for cell in plan.cells), 1, dtype=stem.dtype)
        factors = [cell.drop_factors(stem.shape[0], stem.dtype) for cell in self.cells]
        dropped = factors if any(f is not None for f in factors) else None
        returned = (self.aux_at,) if self.aux is not None and self.training else ()
        out, *maps = kernels.features(plan, stem, (ones, ones), self.training, returned, dropped)
        return out, kernels.from_blocked(maps[0]) if maps else None

    def plan(self) -> NetPlan:
        """What the compiled loops have to do: one operation per edge, affine BatchNorm."""
        return kernels.plan_of(self, lambda: NetPlan([cell.plan() for cell in self.cells], self.channels))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images to the global average of the last map (N, C'), and the auxiliary head's map if that runs."""
        x = x.contiguous(memory_format=torch.channels_last)
        compiled = self.compiled_features(x)
        if compiled is not None:
            return compiled
        s0 = s1 = self.stem(x)
        auxiliary = None
        for i, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if i == self.aux_at and self.aux is not None and self.training:
                auxiliary = s1
        return s1.mean((2, 3)), auxiliary

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images (N, C, H, W) -> logits (N, classes), or (logits, auxiliary logits) in training with a head."""
        pooled, auxiliary = self.features(x)
        logits = self.classifier(pooled)
        return logits if auxiliary is None or self.aux is None else (logits, self.aux(auxiliary))
