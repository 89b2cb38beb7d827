"""What the compiled loops have to do in a cell, worked out once and used at every step.

One kind of plan for both networks: the cells of a supernet (several operations per edge, weighted by softmax(alpha),
BatchNorm without affine parameters) and those of a final network (one operation per edge, affine BatchNorm, drop path).
"""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fernas.spaces.cell_space import POOLS
from fernas.spaces.kernels.layout import lanes
from fernas.spaces.kernels.packing import ConvStack, StackMember, entry_stack, stage_stack, stages_of

Pair = tuple[int, int]  # edge, operation (a column of the table of weights)


@dataclass(frozen=True)
class Edge:
    """One edge: from a state to a node, and its active operations (column, name, module)."""

    target: int
    source: int
    stride: int
    ops: tuple[tuple[int, str, nn.Module], ...]


@dataclass(frozen=True)
class Term(StackMember):
    """One convolution of an edge's operation; `pair` is its place in the table of weights."""

    pair: Pair

    @property
    def edge(self) -> int:
        """Its edge."""
        return self.pair[0]


class Rows:
    """A list of K (edge, operation) pairs, to gather from and scatter to (edges, operations, ...) tables."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = list(pairs)
        self.edges = torch.tensor([edge for edge, _ in self.pairs], dtype=torch.long)
        self.ops = torch.tensor([operation for _, operation in self.pairs], dtype=torch.long)

    def __len__(self) -> int:
        return len(self.pairs)

    def gather(self, table: Tensor) -> Tensor:
        """The rows (K, ...) of a table."""
        return table[self.edges, self.ops]

    def scatter(self, table: Tensor, values: Tensor) -> None:
        """Writes rows (K, ...) into a table."""
        table[self.edges, self.ops] = values


@dataclass(frozen=True)
class GhostTerms:
    """The two convolutions of the ghost operations that leave one state."""

    primary: list[Term]
    cheap: list[Term]


class SourcePlan:
    """What leaves one state.

    Attributes:
        edges: the edges, with at least one active operation each.
        terms: convolutions that read the state: last stages, whose products enter a sum (the first `n_last`), then
            the first stages of sep_convs.
        second: the second stages of sep_convs, in the order of their first stages.
        pools: per kind of pool (pair, module behind it: BatchNorm or identity).
        skips: pairs of identities.
        rows: all pairs whose map enters a sum as it is; the first `n_normed` have a BatchNorm.
    """

    def __init__(self, cell: "CellPlan", state: int) -> None:
        self.edges = [e for e, edge in enumerate(cell.edges) if edge.source == state and edge.ops]
        self.stride = cell.strides[state]
        self.pools: dict[str, list[tuple[Pair, nn.Module]]] = {name: [] for name in POOLS}
        self.skips: list[Pair] = []
        last: list[Term] = []
        first: list[Term] = []
        second: list[Term] = []
        ghosts = GhostTerms([], [])
        for e in self.edges:
            for o, name, module in cell.edges[e].ops:
                pair = (e, o)
                if name in POOLS:
                    self.pools[name].append((pair, module.bn))  # type: ignore[arg-type]
                elif name == "skip_connect" and self.stride == 1:
                    self.skips.append(pair)
                else:
                    stages = [cell.term(stage, pair) for stage in stages_of(name)]
                    lists = (ghosts.primary, ghosts.cheap) if name == "ghost" else (first, second)
                    for terms, term in zip(lists if len(stages) == 2 else (last,), stages, strict=True):
                        terms.append(term)
        order = {id(stack): i for i, stack in enumerate(cell.stacks)}
        # terms of one stack side by side, as its packed arrays are: the loops then read weights in order of addresses
        for terms in (last, first, second):
            terms.sort(key=lambda t: (order[id(t.stack)], t.index))
        self.terms, self.n_last, self.second = last + first, len(last), second
        self.ghosts = ghosts if ghosts.primary else None
        self.last, self.inner = Rows([t.pair for t in last]), Rows([t.pair for t in second])
        self.pool_rows = {name: Rows([pair for pair, _ in users]) for name, users in self.pools.items()}
        self._collect_rows()

    def _collect_rows(self) -> None:
        users = [user for pool in self.pools.values() for user in pool]
        bare = [pair for pair, bn in users if isinstance(bn, nn.Identity)]
        normed = [pair for pair, bn in users if not isinstance(bn, nn.Identity)]
        # rows with a BatchNorm first: where alphas need no gradient, the sums of the others are not computed
        normed = [*self.last.pairs, *self.inner.pairs, *normed]
        self.rows, self.n_normed = Rows([*normed, *bare, *self.skips]), len(normed)
        self.position = {pair: i for i, pair in enumerate(self.rows.pairs)}
        self.edge_of_row = torch.tensor([self.edges.index(e) for e, _ in self.rows.pairs], dtype=torch.long)

    @property
    def has_pools(self) -> bool:
        """Whether any edge pools."""
        return any(self.pools.values())

    def positions(self, rows: Rows) -> list[int]:
        """The indices in `self.rows` of the pairs of `rows`."""
        return [self.position[pair] for pair in rows.pairs]


class CellPlan:
    """The static description of one cell: `entries` are the modules in front of it, `columns` those of its weights."""

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
        self.entries = [StackMember(entry_stack(module), 0) for module in entries]
        modules: dict[str, dict[Pair, nn.Module]] = {}  # stage -> pair -> the operation
        for e, edge in enumerate(self.edges):
            for o, name, module in edge.ops:
                if name in POOLS or (name == "skip_connect" and edge.stride == 1):
                    continue  # no convolution
                for stage in stages_of(name):
                    modules.setdefault(stage, {})[e, o] = module
        self._stack_of = {stage: stage_stack(stage, list(users.values())) for stage, users in modules.items()}
        self._index_of = {stage: {pair: i for i, pair in enumerate(users)} for stage, users in modules.items()}
        self.stacks: list[ConvStack] = [*(member.stack for member in self.entries), *self._stack_of.values()]
        self.sources = [SourcePlan(self, state) for state in range(1 + nodes)]
        self.node_rows = [
            Rows([pair for s in self.sources for pair in s.rows.pairs if self.edges[pair[0]].target == node])
            for node in range(nodes)
        ]

    def term(self, stage: str, pair: Pair) -> Term:
        """The convolution of a stage at an edge."""
        return Term(self._stack_of[stage], self._index_of[stage][pair], pair)


class BufferPool:
    """Buffers of one forward pass and its backward pass, used again in later steps.

    Fresh memory for all maps of all cells at every step would cost page faults.
    """

    def __init__(self) -> None:
        self._buffers: dict[Any, Tensor] = {}

    def get(self, key: Any, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The buffer under a key; it holds whatever was left there."""
        buffer = self._buffers.get(key)
        if buffer is None or buffer.shape != tuple(shape) or buffer.dtype != dtype:
            buffer = self._buffers[key] = torch.empty(shape, dtype=dtype)
        return buffer


class NetPlan:
    """The plans of all cells, the flat list of their parameters, and the buffer pools that wait for the next step.

    A pool belongs to one forward pass until its backward pass is done, so two passes may be open at once.
    """

    def __init__(self, cells: Sequence[CellPlan], width: int) -> None:
        self.cells, self.width = list(cells), width
        self.stacks = [stack for plan in self.cells for stack in plan.stacks]
        self.parameters = [p for stack in self.stacks for p in stack.parameters()]
        bn = self.cells[0].entries[0].bn
        assert bn.momentum is not None
        self.eps, self.momentum = bn.eps, bn.momentum
        self._pools: list[BufferPool] = []

    def take_buffers(self) -> BufferPool:
        """A pool that no open pass uses."""
        return self._pools.pop() if self._pools else BufferPool()

    def give_back(self, buffers: BufferPool) -> None:
        """Lets a later pass use the buffers."""
        self._pools.append(buffers)


# Beside the networks, not in them: a copied network must get a plan of its own modules.
_PLANS: "weakref.WeakKeyDictionary[nn.Module, NetPlan]" = weakref.WeakKeyDictionary()


def plan_of(net: nn.Module, make: Callable[[], NetPlan]) -> NetPlan:
    """The plan of a network, made at first use."""
    plan = _PLANS.get(net)
    if plan is None:
        plan = _PLANS[net] = make()
    return plan


def forget_plan(net: nn.Module) -> None:
    """Drops a network's plan, because its edges have changed."""
    _PLANS.pop(net, None)


def has_kernels(channels: int, names: set[str]) -> bool:
    """Whether the loops can run this width of the first cell: multiples of 8; for ghost, halves of whole blocks."""
    if channels % 8:
        return False
    return "ghost" not in names or channels in (8, 16) or channels % (2 * lanes(channels)) == 0
