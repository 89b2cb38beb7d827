"""What the compiled loops have to do in a cell, worked out once: its terms, their packed parameters, tables of edges.

One plan serves both networks: the cells of a supernet (several operations per edge, weighted by softmax(alpha),
BatchNorm without affine parameters) and those of a final network (one operation per edge, affine BatchNorm, drop path).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.spaces.cell_space import POOLS
from fernas.spaces.kernels.calls import DEPTH_POINT, FULL, REDUCE, Op, lanes
from fernas.spaces.operations import FactorizedReduce

Pair = tuple[int, int]  # edge, operation (a column of the table of weights)


@dataclass(frozen=True)
class Edge:
    """One edge: from a state to a node, and its active operations (column, name, module)."""

    target: int
    source: int
    stride: int
    ops: tuple[tuple[int, str, nn.Module], ...]


class Slot:
    """One convolution term at all edges that have it: its modules, and its parameters packed for the loops.

    Packed: dw (E, B, k*k, V), pw (E, taps, C_in, C_out), pwt (E, taps, C_out, C_in), gamma and beta (E, C) or None.
    """

    dw: Tensor | None
    pw: Tensor
    pwt: Tensor
    ddw: Tensor | None
    dpw: Tensor

    def __init__(self, op: Op, lists: list[list[nn.Conv2d]], bns: list[nn.BatchNorm2d]) -> None:
        self.op, self.lists, self.bns = op, lists, bns
        self.affine = bns[0].affine
        self.gamma: Tensor | None = None
        self.beta: Tensor | None = None
        self.dgamma: Tensor | None = None
        self.dbeta: Tensor | None = None

    @property
    def width(self) -> int:
        """Number of real output channels (packed arrays may hold more)."""
        return self.bns[0].num_features

    def parameters(self) -> list[nn.Parameter]:
        """The parameters, in the order of `gradients`."""
        own = [conv.weight for convs in self.lists for conv in convs]
        if self.affine:
            own += [bn.weight for bn in self.bns] + [bn.bias for bn in self.bns]
        return own

    def pack(self, v: int) -> None:
        """Copies the parameters into the layouts of the loops (blocks of v channels)."""
        self.pack_convolutions([torch.stack([conv.weight.detach() for conv in convs]) for convs in self.lists], v)
        if self.affine:
            padding = (0, self.pw.shape[-1] - self.width)
            self.gamma, self.beta = (
                F.pad(torch.stack([getattr(bn, name).detach() for bn in self.bns]).double(), padding)
                for name in ("weight", "bias")
            )

    def pack_convolutions(self, stacks: list[Tensor], v: int) -> None:
        """Depthwise (E, C, 1, k, k) and pointwise (E, C, C, 1, 1)."""
        e, c, _, k, _ = stacks[0].shape
        self.dw = stacks[0].view(e, c // v, v, k * k).transpose(2, 3).contiguous()
        self.pwt = stacks[1].view(e, 1, c, c)
        self.pw = self.pwt.transpose(2, 3).contiguous()

    def new_gradients(self) -> None:
        """Room for gradients; the loops write all of it."""
        self.ddw = None if self.dw is None else torch.empty_like(self.dw)
        self.dpw = torch.empty_like(self.pw)
        if self.affine:
            assert self.gamma is not None
            self.dgamma, self.dbeta = torch.zeros_like(self.gamma), torch.zeros_like(self.gamma)

    def put_affine(self, where: Sequence[int], dgamma: Tensor, dbeta: Tensor) -> None:
        """Keeps gradients (K, C) of gamma and beta for the places `where`."""
        if self.dgamma is not None and self.dbeta is not None:
            self.dgamma[where], self.dbeta[where] = dgamma, dbeta

    def gradients(self) -> list[Tensor]:
        """Gradients in the order of `parameters()`."""
        parts = self.convolution_gradients()
        if self.affine:
            assert self.dgamma is not None and self.dbeta is not None
            parts += [d[:, : self.width].to(self.pw.dtype) for d in (self.dgamma, self.dbeta)]
        return [g for part in parts for g in part.unbind(0)]

    def convolution_gradients(self) -> list[Tensor]:
        """As `pack_convolutions` takes them."""
        assert self.ddw is not None
        e, b, kk, v = self.ddw.shape
        k = self.op[1]
        depth = self.ddw.transpose(2, 3).reshape(e, b * v, 1, k, k)
        return [depth, self.dpw[:, 0].transpose(1, 2).contiguous()[..., None, None]]


class FullSlot(Slot):
    """A k x k convolution."""

    def pack_convolutions(self, stacks: list[Tensor], v: int) -> None:
        """(E, C_out, C_in, k, k)."""
        w = stacks[0].flatten(3)  # (E, C_out, C_in, taps)
        self.dw = None
        self.pw, self.pwt = w.permute(0, 3, 2, 1).contiguous(), w.permute(0, 3, 1, 2).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """(E, C_out, C_in, k, k)."""
        e, _, ci, co = self.dpw.shape
        k = self.op[1]
        return [self.dpw.permute(0, 3, 2, 1).reshape(e, co, ci, k, k)]


class ReduceSlot(Slot):
    """The two sub-sampled 1x1 convolutions of a FactorizedReduce."""

    def pack_convolutions(self, stacks: list[Tensor], v: int) -> None:
        """Twice (E, C / 2, C_in, 1, 1)."""
        first, second = (s.flatten(2) for s in stacks)
        e, h, ci = first.shape
        self.dw, self.half = None, h
        self.pwt = first.new_zeros(e, 2, h + second.shape[1], ci)
        self.pwt[:, 0, :h], self.pwt[:, 1, h:] = first, second
        self.pw = self.pwt.transpose(2, 3).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """Twice (E, C / 2, C_in, 1, 1)."""
        parts = (self.dpw[:, 0, :, : self.half], self.dpw[:, 1, :, self.half :])
        return [part.transpose(1, 2).contiguous()[..., None, None] for part in parts]


class GhostPrimary(Slot):
    """The 1x1 convolution of the ghost operation; its outputs are padded with zero channels to whole blocks."""

    def pack_convolutions(self, stacks: list[Tensor], v: int) -> None:
        """(E, half, C, 1, 1)."""
        w = stacks[0].flatten(2)
        self.dw = None
        self.pwt = F.pad(w, (0, 0, 0, -w.shape[1] % v)).unsqueeze(1)
        self.pw = self.pwt.transpose(2, 3).contiguous()

    def convolution_gradients(self) -> list[Tensor]:
        """(E, half, C, 1, 1)."""
        return [self.dpw[:, 0, :, : self.width].transpose(1, 2).contiguous()[..., None, None]]


class GhostCheap(Slot):
    """The 3x3 depthwise convolution of the ghost operation, run as one followed by the identity."""

    def pack_convolutions(self, stacks: list[Tensor], v: int) -> None:
        """(E, half, 1, 3, 3)."""
        w = stacks[0].flatten(2)
        w = F.pad(w, (0, 0, 0, -w.shape[1] % v))
        e, c, _ = w.shape
        self.dw = w.view(e, -1, v, 9).transpose(2, 3).contiguous()
        self.pw = self.pwt = torch.eye(c, dtype=w.dtype).expand(e, 1, -1, -1)

    def convolution_gradients(self) -> list[Tensor]:
        """(E, half, 1, 3, 3)."""
        assert self.ddw is not None
        g = self.ddw.transpose(2, 3).flatten(1, 2)[:, : self.width]
        return [g.reshape(g.shape[0], self.width, 1, 3, 3)]


def entry_slot(module: nn.Module) -> Slot:
    """The slot of what stands in front of a cell: a 1x1 convolution or a FactorizedReduce."""
    if isinstance(module, FactorizedReduce):
        return ReduceSlot((REDUCE, 1, 1), [[module.conv_1], [module.conv_2]], [module.bn])
    return FullSlot((FULL, 1, 1), [[module.conv]], [module.bn])


def depth_slot(kernel: int, dilation: int, modules: list[nn.Module]) -> Slot:
    """The slot of depth-separable convolutions."""
    lists = [[m.depth for m in modules], [m.point for m in modules]]
    return Slot((DEPTH_POINT, kernel, dilation), lists, [m.bn for m in modules])


class Rows:
    """A list of (edge, operation) pairs, to gather from and scatter to (edges, operations) tables."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = list(pairs)
        self.edges = torch.tensor([p[0] for p in self.pairs], dtype=torch.long)
        self.ops = torch.tensor([p[1] for p in self.pairs], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.pairs)

    def of(self, table: Tensor) -> Tensor:
        """The rows (K, ...) of a table (edges, operations, ...)."""
        return table[self.edges, self.ops]

    def put(self, table: Tensor, values: Tensor) -> None:
        """Writes rows into a table."""
        table[self.edges, self.ops] = values


@dataclass(frozen=True)
class Term:
    """One convolution at one edge: its slot and its place there."""

    edge: int
    column: int
    slot: Slot
    place: int

    @property
    def pair(self) -> Pair:
        """Where its weight stands."""
        return self.edge, self.column


@dataclass
class Ghosts:
    """The ghost operations that leave one state."""

    terms: list[Term]  # slot: the 1x1 convolution
    cheap: list[Term]

    @property
    def edges(self) -> list[int]:
        """Their edges."""
        return [t.edge for t in self.terms]


class SourcePlan:
    """What leaves one state: convolutions, sorted into last stages and first stages, pools, skips, ghosts."""

    def __init__(self, cell: "CellPlan", state: int) -> None:
        self.edges = [e for e, edge in enumerate(cell.edges) if edge.source == state and edge.ops]
        self.stride = cell.strides[state]
        last, first, second, ghost, cheap = ([] for _ in range(5))
        self.pools: dict[str, list[tuple[Pair, nn.Module]]] = {name: [] for name in POOLS}
        self.skips: list[Pair] = []
        for e in self.edges:
            for o, name, module in cell.edges[e].ops:
                pair = (e, o)
                if name in POOLS:
                    self.pools[name].append((pair, module.bn))
                elif name == "skip_connect" and self.stride == 1:
                    self.skips.append(pair)
                elif name == "ghost":
                    ghost.append(cell.term("ghost_1", pair))
                    cheap.append(cell.term("ghost_2", pair))
                elif name.startswith("sep_conv"):
                    first.append(cell.term(name + "_1", pair))
                    second.append(cell.term(name + "_2", pair))
                else:
                    last.append(cell.term(name, pair))
        order = [id(slot) for slot in cell.slots]
        for terms in (last, first, second):  # terms of one slot side by side, as its packed arrays are
            terms.sort(key=lambda t: (order.index(id(t.slot)), t.place))
        self.terms: list[Term] = last + first
        self.n_last = len(last)
        self.second: list[Term] = second
        self.ghosts = Ghosts(ghost, cheap) if ghost else None
        self.last, self.inner = Rows([t.pair for t in last]), Rows([t.pair for t in second])
        self.pool_rows = {name: Rows([pair for pair, _ in found]) for name, found in self.pools.items()}
        # rows with a BatchNorm first, then maps that enter as they are
        bare = [pair for found in self.pools.values() for pair, bn in found if isinstance(bn, nn.Identity)]
        normed = [pair for found in self.pools.values() for pair, bn in found if not isinstance(bn, nn.Identity)]
        normed = [*self.last.pairs, *self.inner.pairs, *normed]
        self.rows = Rows([*normed, *bare, *self.skips])
        self.n_normed = len(normed)
        self.position = {pair: i for i, pair in enumerate(self.rows.pairs)}
        self.edge_of_row = torch.tensor([self.edges.index(e) for e, _ in self.rows.pairs], dtype=torch.long)

    def positions(self, rows: Rows) -> list[int]:
        """Where the pairs of `rows` stand in `self.rows`."""
        return [self.position[pair] for pair in rows.pairs]


class CellPlan:
    """The static description of one cell."""

    def __init__(
        self,
        entries: Sequence[nn.Module],
        edges: Sequence[Edge],
        nodes: int,
        channels: int,
        reduction: bool,
        columns: int,
    ) -> None:
        self.nodes, self.channels, self.reduction, self.columns = nodes, channels, reduction, columns
        self.edges = list(edges)
        self.strides = [2 if reduction and state < 2 else 1 for state in range(2 + nodes)]
        self.pre = [entry_slot(module) for module in entries]
        found: dict[str, list[tuple[Pair, nn.Module]]] = {}
        for e, edge in enumerate(self.edges):
            for o, name, module in edge.ops:
                if name == "skip_connect" and edge.stride == 1 or name in POOLS:
                    continue
                stages = [name]
                if name.startswith("sep_conv"):
                    stages = [name + "_1", name + "_2"]
                elif name == "ghost":
                    stages = ["ghost_1", "ghost_2"]
                for stage in stages:
                    found.setdefault(stage, []).append(((e, o), module))
        self.named = {stage: self._slot(stage, [m for _, m in places]) for stage, places in found.items()}
        self.place = {stage: {pair: i for i, (pair, _) in enumerate(places)} for stage, places in found.items()}
        self.slots = [*self.pre, *self.named.values()]
        self.sources = [SourcePlan(self, state) for state in range(1 + nodes)]
        self.node_rows = [
            Rows([pair for s in self.sources for pair in s.rows.pairs if self.edges[pair[0]].target == node])
            for node in range(nodes)
        ]

    @staticmethod
    def _slot(stage: str, modules: list[Any]) -> Slot:
        if stage.startswith("sep_conv"):
            name, _, half = stage.rpartition("_")
            return depth_slot(int(name[-1]), 1, [m.first if half == "1" else m.second for m in modules])
        if stage.startswith("dil_conv"):
            return depth_slot(int(stage[-1]), 2, modules)
        if stage.startswith("conv_"):
            return FullSlot((FULL, int(stage[-1]), 1), [[m.conv for m in modules]], [m.bn for m in modules])
        if stage == "skip_connect":
            lists = [[m.conv_1 for m in modules], [m.conv_2 for m in modules]]
            return ReduceSlot((REDUCE, 1, 1), lists, [m.bn for m in modules])
        if stage == "ghost_1":
            return GhostPrimary((FULL, 1, 1), [[m.primary for m in modules]], [m.bn_1 for m in modules])
        if stage == "ghost_2":
            return GhostCheap((DEPTH_POINT, 3, 1), [[m.cheap for m in modules]], [m.bn_2 for m in modules])
        raise AssertionError(f"operation {stage!r} has no compiled form")

    def term(self, stage: str, pair: Pair) -> Term:
        """The term of a stage at an edge."""
        return Term(*pair, self.named[stage], self.place[stage][pair])


def serves(channels: int, names: set[str]) -> bool:
    """Whether the loops can run this width of the first cell: multiples of 8; for ghost, halves of whole blocks."""
    if channels % 8:
        return False
    return "ghost" not in names or channels in (8, 16) or channels % (2 * lanes(channels)) == 0


class NetPlan:
    """The plans of all cells, the flat list of their parameters, and the buffers that wait for the next step."""

    def __init__(self, cells: Sequence[CellPlan]) -> None:
        self.cells = list(cells)
        self.slots = [slot for plan in self.cells for slot in plan.slots]
        self.parameters = [p for slot in self.slots for p in slot.parameters()]
        bn = self.cells[0].pre[0].bns[0]
        assert bn.momentum is not None
        self.eps, self.momentum = bn.eps, bn.momentum
        self.spaces: list[Space] = []


class Space:
    """Buffers of one forward pass and its backward pass, used again in later steps."""

    def __init__(self) -> None:
        self.buffers: dict[Any, Tensor] = {}

    def get(self, key: Any, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A buffer under a key; its contents are whatever was left there."""
        t = self.buffers.get(key)
        if t is None or t.shape != tuple(shape) or t.dtype != dtype:
            t = self.buffers[key] = torch.empty(shape, dtype=dtype)
        return t


class Statistics:
    """Batch statistics of a forward pass, for the running statistics of all BatchNorms."""

    def __init__(self) -> None:
        self.bns: list[nn.BatchNorm2d] = []
        self.means: list[Tensor] = []
        self.variances: list[Tensor] = []

    def add(self, bns: Sequence[nn.BatchNorm2d], mean: Tensor, var: Tensor, count: int) -> None:
        """mean, biased var (K, C) over `count` values, for K modules."""
        self.bns += bns
        self.means += mean.unbind(0)
        self.variances += (var * (count / (count - 1))).unbind(0)

    def update(self, momentum: float, dtype: torch.dtype) -> None:
        """Moves all running means and variances towards the batch's."""
        for values, name in ((self.means, "running_mean"), (self.variances, "running_var")):
            parts = torch.cat(values).to(dtype).split([v.shape[0] for v in values])
            torch._foreach_lerp_([getattr(bn, name) for bn in self.bns], list(parts), momentum)
        torch._foreach_add_([bn.num_batches_tracked for bn in self.bns], 1)
