"""The supernet of `plain`, same parameters and same function, restructured for speed.

`FastSupernet` is a plain network whose cells compute differently; state dictionaries are interchangeable. Two paths:

* the pure path (this file) uses PyTorch operations only: work per source node instead of per edge, channels_last,
  1x1 convolution, BatchNorm, softmax(alpha) and the sum over edges as one accumulation (`point_sum`);
* the compiled path runs whole cells in the loops of `fernas.spaces.kernels`, which says when it is used.

In evaluation mode both run on the running statistics: the compiled path where no gradient is asked for, else the plain
form in channels_last. That form also runs cells whose pruned edges repeat a map, from the first pruned edge on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.spaces import kernels
from fernas.spaces.cell_space import POOLS
from fernas.spaces.convolutions import LAST, depthwise
from fernas.spaces.kernels import CellPlan, Edge, NetPlan
from fernas.spaces.operations import FactorizedReduce
from fernas.spaces.supernet import plain
from fernas.spaces.supernet.point_sum import (
    Recorder,
    point_matrix,
    point_sum,
    reduce_input,
    reduce_matrix,
    shared_bn,
    subsample,
)

Pair = tuple[int, int]  # edge, operation


class SharedState:
    """A state and everything computed from it that does not depend on the edge, each once for all edges."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.cache: dict[str, Tensor] = {}

    def once(self, key: str, compute: Callable[[], Tensor]) -> Tensor:
        """The value under `key`, computed at first use."""
        if key not in self.cache:
            self.cache[key] = compute()
        return self.cache[key]

    def relu(self) -> Tensor:
        """The activated map."""
        return self.once("relu", lambda: F.relu(self.x))

    def relu_at(self, stride: int) -> Tensor:
        """The activated map, sub-sampled where the edge has stride 2."""
        return self.relu() if stride == 1 else self.once("sub", lambda: subsample(self.relu()))

    def map_at(self, stride: int) -> Tensor:
        """The map itself, sub-sampled where the edge has stride 2."""
        return self.x if stride == 1 else self.once("x_sub", lambda: subsample(self.x))

    def reduced(self) -> Tensor:
        """What a FactorizedReduce reads."""
        return self.once("reduce", lambda: reduce_input(self.relu()))


@dataclass
class NodeTerms:
    """What enters one node: BN(v W), and maps as they are; each with its pair (edge, operation) for its weight."""

    vs: list[Tensor] = field(default_factory=list)
    matrices: list[Tensor] = field(default_factory=list)
    bns: list[nn.BatchNorm2d] = field(default_factory=list)
    point_pairs: list[Pair] = field(default_factory=list)
    maps: list[Tensor] = field(default_factory=list)
    map_pairs: list[Pair] = field(default_factory=list)

    def add_point(self, v: Tensor, matrix: Tensor, bn: nn.BatchNorm2d, pair: Pair) -> None:
        """Adds BN(v W)."""
        self.vs.append(v)
        self.matrices.append(matrix)
        self.bns.append(bn)
        self.point_pairs.append(pair)

    def add_map(self, value: Tensor, pair: Pair) -> None:
        """Adds a map as it is."""
        self.maps.append(value)
        self.map_pairs.append(pair)


class FastCell(plain.SupernetCell):
    """`plain.SupernetCell` with the work shared between the edges that leave one state."""

    def active(self, edge: int) -> list[int]:
        """The operations of an edge that are computed: the remaining ones but `none`, the decided one, or nothing."""
        if edge in self.decisions:
            choice = self.decisions[edge]
            return [] if choice is None else [choice]
        # `none` adds zeros: its weight takes part in the softmax, its map need not be computed
        return [o for o in self.remaining.get(edge, range(len(self.names))) if self.names[o] != "none"]

    @property
    def repeats_a_map(self) -> bool:
        """Whether an edge adds another edge's map, which neither path shares: the plain form computes the cell."""
        return self.repeats_pruned and None in self.decisions.values()

    def plan(self) -> CellPlan:
        """What the compiled path has to do in this cell."""
        edges = []
        for e, (node, source) in enumerate(self.edge_list):
            ops = tuple((o, self.names[o], self.edges[e].ops[o]) for o in self.active(e))
            edges.append(Edge(node, source, self.stride(source), ops))
        entries = (self.pre_0, self.pre_1)
        return CellPlan(entries, edges, self.nodes, self.channels, self.reduction, len(self.names))

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        """(N, c0, H0, W0), (N, c1, H, W), weights (edges, operations) -> (N, nodes * C, H', W').

        The row of a decided edge must hold one at its operation (`FastSupernet.tables`).
        """
        if not self.training or self.repeats_a_map:
            return super().forward(s0, s1, weights)
        record = Recorder()  # running statistics of the whole cell are updated in one call at the end
        inputs = [s.contiguous(memory_format=LAST) for s in (s0, s1)]
        states = [
            SharedState(self.preprocess(record, m, s)) for m, s in zip((self.pre_0, self.pre_1), inputs, strict=True)
        ]
        size = [-(-n // self.stride(0)) for n in states[1].x.shape[2:]]
        for node in range(self.nodes):
            terms = NodeTerms()
            for edge, (target, source) in enumerate(self.edge_list):
                if target == node:
                    for o in self.active(edge):
                        self.add(record, states[source], source, (edge, o), terms)
            states.append(SharedState(self.total(record, terms, weights, states[1].x, size)))
        record.flush()
        return torch.cat([s.x for s in states[2:]], dim=1)

    def total(self, record: Recorder, terms: NodeTerms, weights: Tensor, like: Tensor, size: list[int]) -> Tensor:
        """The sum of a node."""
        if not terms.vs and not terms.maps:
            return self._node(None, like, size).contiguous(memory_format=LAST)
        scales = torch.stack([weights[pair] for pair in terms.point_pairs]) if terms.point_pairs else None
        map_scales = torch.stack([weights[pair] for pair in terms.map_pairs]) if terms.map_pairs else None
        return point_sum(record, terms.vs, terms.matrices, terms.bns, scales, terms.maps, map_scales)

    def preprocess(self, record: Recorder, module: nn.Module, x: Tensor) -> Tensor:
        """The 1x1 convolution (or FactorizedReduce) in front of a cell."""
        r = F.relu(x)
        if isinstance(module, FactorizedReduce):
            return point_sum(record, [reduce_input(r)], [reduce_matrix(module)], [module.bn])
        return point_sum(record, [r], [point_matrix(module.conv)], [module.bn])

    def sharing(self, source: int, operation: int) -> list[nn.BatchNorm2d]:
        """The BatchNorms behind one pool on all active edges that leave a state: all see the same map."""
        edges = [e for e, (_, s) in enumerate(self.edge_list) if s == source and operation in self.active(e)]
        return [self.edges[e].ops[operation].bn for e in edges]

    def add(self, record: Recorder, source: SharedState, index: int, pair: Pair, terms: NodeTerms) -> None:
        """Appends one operation of one edge to the terms of its target node."""
        edge, o = pair
        name, op, stride = self.names[o], self.edges[edge].ops[o], self.stride(index)
        if name in POOLS:
            value = source.once(name, lambda: shared_bn(record, op.pool(source.x), self.sharing(index, o)))
            terms.add_map(value, pair)
        elif name == "skip_connect":
            if stride == 1:
                terms.add_map(F.dropout(source.x, self.skip_dropout) if self.skip_dropout else source.x, pair)
            else:
                terms.add_point(source.reduced(), reduce_matrix(op), op.bn, pair)
        elif name.startswith("sep_conv"):
            v = depthwise(source.relu(), op.first.depth.weight, stride)
            inner = F.relu(point_sum(record, [v], [point_matrix(op.first.point)], [op.first.bn]))
            v = depthwise(inner, op.second.depth.weight)
            terms.add_point(v, point_matrix(op.second.point), op.second.bn, pair)
        elif name.startswith("dil_conv"):
            # dilation 2 with stride 2 reads even samples only: dilation 1 on the sub-sampled map
            v = depthwise(source.relu_at(stride), op.depth.weight, dilation=2 // stride)
            terms.add_point(v, point_matrix(op.point), op.bn, pair)
        elif name == "conv_1x1":
            terms.add_point(source.relu_at(stride), point_matrix(op.conv), op.bn, pair)
        elif name == "conv_3x3":
            y = F.conv2d(source.relu(), op.conv.weight, None, stride, 1)
            terms.add_map(shared_bn(record, y, [op.bn]), pair)
        elif name == "ghost":
            first = F.relu(point_sum(record, [source.map_at(stride)], [point_matrix(op.primary)], [op.bn_1]))
            second = F.relu(shared_bn(record, depthwise(first, op.cheap.weight), [op.bn_2]))
            terms.add_map(torch.cat([first, second], dim=1)[:, : op.channels], pair)
        else:
            raise AssertionError(f"operation {name!r} has no fast form")


class FastSupernet(plain.Supernet):
    """`plain.Supernet` with fast cells; loads the state dictionary of the plain one and the other way round."""

    cell_type = FastCell
    _weights: list[nn.Parameter] | None = None

    def is_compiled(self, x: Tensor) -> bool:
        """Whether the compiled path runs; it has no dropout behind skip connections and no map that is added twice."""
        if self.training and any(cell.skip_dropout for cell in self.cells):
            return False
        if any(cell.repeats_a_map for cell in self.cells):
            return False
        return kernels.is_usable(x, self.classifier.weight, self.training, self.channels, self.names)

    def plan(self) -> NetPlan:
        """What the compiled path has to do; stored until decisions change."""
        return kernels.plan_of(self, lambda: NetPlan([cell.plan() for cell in self.cells], self.channels))

    def _decisions_changed(self) -> None:
        kernels.forget_plan(self)

    def tables(self) -> tuple[Tensor, Tensor]:
        """Softmax of the alphas with the rows of decided edges replaced by one at their operation: normal, reduce."""
        tables = []
        for reduction, weights in zip((False, True), self.softmax(), strict=True):
            decisions: dict[int, int | None] = next(
                (cell.decisions for cell in self.cells if cell.reduction == reduction), {}
            )
            if decisions:
                fixed, mask = torch.zeros_like(weights), torch.zeros_like(weights, dtype=torch.bool)
                for edge, choice in decisions.items():
                    mask[edge] = True
                    if choice is not None:
                        fixed[edge, choice] = 1.0
                weights = fixed if mask.all() else torch.where(mask, fixed, weights)
            tables.append(weights)
        return tables[0], tables[1]

    def forward(self, x: Tensor) -> Tensor:
        """Images float (N, in_channels, H, W) -> logits (N, classes)."""
        normal, reduce = self.tables()
        x = x.contiguous(memory_format=LAST)
        s0 = s1 = self.stem_map(x)
        if self.is_compiled(x):
            return self.classifier(kernels.features(self.plan(), s1, (normal, reduce), self.training)[0])
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, reduce if cell.reduction else normal)
        return self.classifier(s1.mean((2, 3)))

    def stem_map(self, x: Tensor) -> Tensor:
        """The stem as one matrix product over 3x3 patches, BatchNorm folded in: (N, c, H, W) -> (N, 3C, H', W')."""
        if not self.training:
            return self.stem(x)
        conv, bn = self.stem
        stride = conv.stride[0]
        patches = F.pad(x, (1, 1, 1, 1)).unfold(2, 3, stride).unfold(3, 3, stride)  # (N, c, H', W', 3, 3)
        patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).permute(0, 3, 1, 2)  # (N, 9c, H', W'), channels_last
        record = Recorder()
        out = point_sum(record, [patches], [point_matrix(conv)], [bn], bn.weight[None], offset=bn.bias)
        record.flush()
        return out

    def weights(self) -> list[nn.Parameter]:
        """As the plain form's, stored: walking over thousands of modules at every step costs more than it may."""
        if self._weights is None:
            self._weights = super().weights()
        return self._weights
