"""The forward pass of one cell in the compiled loops, and the record of it that the backward pass needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fernas.spaces.kernels.batch_norm import Normaliser, scale_and_shift
from fernas.spaces.kernels.calls import (
    ACT_AFFINE_RELU,
    ACT_NONE,
    ACT_RELU,
    ConvInput,
    GhostMaps,
    PoolMaps,
    combine,
    conv_forward,
    ghost_forward,
    pool_forward,
)
from fernas.spaces.kernels.layout import Geometry
from fernas.spaces.kernels.packing import REDUCE, StackMember, affine_parameters
from fernas.spaces.kernels.plan import BufferPool, CellPlan, Pair, Rows, SourcePlan, Term


@dataclass(frozen=True)
class EntryRecord:
    """The convolution in front of the cell: its product and that product's statistics (1, C)."""

    geometry: Geometry
    product: Tensor
    mean: Tensor
    inv: Tensor


@dataclass(frozen=True)
class InnerRecord:
    """What is between the two convolutions of an operation, for all K edges with it: BatchNorm and ReLU."""

    geometry: Geometry
    source: ConvInput  # the first products, read as relu(scale * y + shift)
    mean: Tensor  # (K, C) float64, of the first products
    inv: Tensor


@dataclass(frozen=True)
class ConvRecord:
    """The convolutions of one state: their products, and the inner part of the sep_convs among them."""

    products: list[Tensor]
    inner: InnerRecord | None


@dataclass(frozen=True)
class GhostRecord:
    """The ghost operations that leave one state."""

    geometry: Geometry  # of the first convolutions
    inner: InnerRecord
    maps: list[GhostMaps]  # per edge, as in `GhostTerms`
    mean: Tensor  # (K, half) float64, of the second products
    inv: Tensor


class EdgeTables:
    """Statistics and affine parameters of what enters the sums, by edge and operation: (edges, columns, C) float64."""

    def __init__(self, plan: CellPlan) -> None:
        shape = (len(plan.edges), plan.columns, plan.channels)
        self.mean, self.inv = torch.zeros(shape, dtype=torch.float64), torch.ones(shape, dtype=torch.float64)
        self.is_affine = plan.entries[0].stack.is_affine
        if self.is_affine:
            self.gamma, self.beta = torch.ones_like(self.mean), torch.zeros_like(self.mean)

    def put(self, rows: Rows, mean: Tensor, inv: Tensor, affine: tuple[Tensor, Tensor] | None = None) -> None:
        """Stores the rows (K, C) of K pairs."""
        rows.scatter(self.mean, mean)
        rows.scatter(self.inv, inv)
        if affine is not None:
            rows.scatter(self.gamma, affine[0])
            rows.scatter(self.beta, affine[1])


class CellForward:
    """One cell in one forward pass.

    Args:
        plan: what to do.
        index: of the cell in the network; names its buffers.
        buffers: of this pass.
        normaliser: of this pass.

    Attributes:
        states: the two entries, then the nodes, each (1, N, B, H, W, V).
        out: all nodes (nodes, N, B, H', W', V).
        maps: (edge, operation) -> the map that enters the sum of the edge's node.
    """

    def __init__(self, plan: CellPlan, index: int, buffers: BufferPool, normaliser: Normaliser) -> None:
        self.plan, self.index, self.buffers, self.normaliser = plan, index, buffers, normaliser
        self.states: list[Tensor] = []
        self.entries: list[EntryRecord] = []
        self.maps: dict[Pair, Tensor] = {}
        self.geometries: list[Geometry] = []  # per source state
        self.convolutions: list[ConvRecord | None] = []  # per source state
        self.pools: dict[int, PoolMaps] = {}  # per source state
        self.ghosts: dict[int, GhostRecord] = {}  # per source state
        self.tables = EdgeTables(plan)

    def buffer(self, key: tuple[Any, ...], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A buffer that only this cell uses."""
        return self.buffers.get((self.index, *key), shape, dtype)

    def run(self, s0: Tensor, s1: Tensor, weights: Tensor, factor: Tensor | None) -> Tensor:
        """The outputs of the two cells before -> this cell's.

        Args:
            s0: (G, N, B, H, W, V).
            s1: (G, N, B, H, W, V).
            weights: (edges, columns), softmax(alpha) or ones.
            factor: (edges, N), drop path's factors, or None.

        Returns:
            (nodes, N, B, H', W', V).
        """
        plan = self.plan
        dtype, v = s0.dtype, s0.shape[-1]
        self.inputs, self.weights, self.factor = (s0, s1), weights.double(), factor
        for stack in plan.stacks:
            stack.pack(v)
        blocks = plan.channels // v
        for j, (s, member) in enumerate(zip(self.inputs, plan.entries, strict=True)):
            self.states.append(self._entry(j, s, member, blocks))
        _, n, _, h, w, _ = self.states[0].shape
        ho, wo = (-(-h // 2), -(-w // 2)) if plan.reduction else (h, w)
        self.out = self.buffer(("out",), (plan.nodes, n, blocks, ho, wo, v), dtype)
        for j, source in enumerate(plan.sources):
            if j >= 2:  # the states after the entries are the nodes, complete once all edges into them have run
                self._sum_node(j - 2)
            self._source(j, source)
        self._sum_node(plan.nodes - 1)
        return self.out

    def _entry(self, j: int, s: Tensor, member: StackMember, blocks: int) -> Tensor:
        """The convolution in front of the cell and its BatchNorm."""
        geometry = Geometry(s, 2 if member.stack.op[0] == REDUCE else 1, blocks)
        y = self.buffer(("pre", j), geometry.out_shape, s.dtype)
        sums = conv_forward(geometry, ConvInput(s, ACT_RELU), [member], [y])
        mean, inv = self.normaliser.normalise(sums, [member.bn], geometry.count)
        scale, shift = scale_and_shift(mean, inv, affine_parameters([member]))
        x = self.buffer(("state", j), geometry.out_shape, s.dtype)
        combine(geometry, [y], scale.to(s.dtype), None, shift[0].to(s.dtype), x)
        self.entries.append(EntryRecord(geometry, y, mean, inv))
        return x

    def _sum_node(self, node: int) -> None:
        """The sum of a node: one pass over all maps that enter it, with BatchNorm and weights as their factors."""
        tables, rows = self.tables, self.plan.node_rows[node]
        target = self.out[node : node + 1]
        dtype = target.dtype
        weights = rows.gather(self.weights)[:, None]
        coef = weights * rows.gather(tables.inv)
        if tables.is_affine:
            coef = coef * rows.gather(tables.gamma)
        bias = -(coef * rows.gather(tables.mean))
        if tables.is_affine:
            bias = bias + weights * rows.gather(tables.beta)
        factor = None
        if self.factor is None or not len(rows):
            bias = bias.sum(0)
        else:  # drop path scales a whole path, its shift too: a bias per image
            factor = self.factor[rows.edges]
            bias = factor.double().t() @ bias
        if len(rows):
            maps = [self.maps[pair] for pair in rows.pairs]
            combine(Geometry(target, 1, target.shape[2]), maps, coef.to(dtype), factor, bias.to(dtype), target)
        else:
            target.zero_()
        self._add_ghosts(node, target)
        self.states.append(target)

    def _add_ghosts(self, node: int, target: Tensor) -> None:
        # a ghost operation ends with ReLU: it is no affine function of its product and enters in a pass of its own
        for j, record in self.ghosts.items():
            terms = self.plan.sources[j].ghosts
            assert terms is not None
            for term, maps in zip(terms.primary, record.maps, strict=True):
                if self.plan.edges[term.edge].target == node:
                    ghost_forward(self.geometries[j], maps, target)

    def _source(self, j: int, source: SourcePlan) -> None:
        """Everything that leaves state j, over all its edges at once: pools, skips, ghosts, convolutions."""
        x = self.states[j]
        self.geometries.append(Geometry(x, source.stride, self.plan.channels // x.shape[-1]))
        if source.has_pools:
            self._pools(j, source)
        self.maps.update((pair, x) for pair in source.skips)
        if source.ghosts is not None:
            self._ghosts(j, source.ghosts.primary, source.ghosts.cheap)
        self.convolutions.append(self._convolutions(j, source) if source.terms else None)

    def _convolutions(self, j: int, source: SourcePlan) -> ConvRecord:
        """The convolutions of all edges that leave state j, then the second stages of the sep_convs."""
        x, geometry, n = self.states[j], self.geometries[j], source.n_last
        ys = [self.buffer(("y", t.pair, t.stack.op), geometry.out_shape, x.dtype) for t in source.terms]
        sums = conv_forward(geometry, ConvInput(x, ACT_RELU), source.terms, ys)
        mean, inv = self.normaliser.normalise(sums, [t.bn for t in source.terms], geometry.count)
        self.tables.put(source.last, mean[:n], inv[:n], affine_parameters(source.terms[:n]))
        self.maps.update(zip(source.last.pairs, ys[:n], strict=True))
        if not source.second:
            return ConvRecord(ys, None)
        inner = self._inner(geometry, ys[n:], source.terms[n:], mean[n:], inv[n:])
        zs = [self.buffer(("z", t.pair), geometry.out_shape, x.dtype) for t in source.second]
        sums = conv_forward(inner.geometry, inner.source, source.second, zs)
        mean, inv = self.normaliser.normalise(sums, [t.bn for t in source.second], inner.geometry.count)
        self.tables.put(source.inner, mean, inv, affine_parameters(source.second))
        self.maps.update(zip(source.inner.pairs, zs, strict=True))
        return ConvRecord(ys, inner)

    def _inner(
        self, geometry: Geometry, maps: list[Tensor], terms: Sequence[Term], mean: Tensor, inv: Tensor
    ) -> InnerRecord:
        """The second convolutions of operations read relu(BatchNorm(first product)) without storing it."""
        scale, shift = (t.to(maps[0].dtype) for t in scale_and_shift(mean, inv, affine_parameters(terms)))
        source = ConvInput(maps, ACT_AFFINE_RELU, scale, shift)
        return InnerRecord(Geometry(maps[0], 1, geometry.out_blocks), source, mean, inv)

    def _pools(self, j: int, source: SourcePlan) -> None:
        """Both pools of a state, once for all its edges; each edge has a BatchNorm of its own behind them."""
        x, geometry = self.states[j], self.geometries[j]
        maximum, average = (self.buffer((name, j), geometry.out_shape, x.dtype) for name in source.pools)
        pools = PoolMaps(maximum, average, self.buffer(("index", j), geometry.out_shape, torch.uint8))
        self.pools[j] = pools
        sums = pool_forward(geometry, x, pools)
        for name, value, total in zip(source.pools, (maximum, average), sums, strict=True):
            bns: list[Any] = [bn for _, bn in source.pools[name]]
            rows = source.pool_rows[name]
            self.maps.update((pair, value) for pair in rows.pairs)
            if bns and not isinstance(bns[0], nn.Identity):
                mean, inv = self.normaliser.normalise(total.expand(len(bns), -1, -1), bns, geometry.count)
                self.tables.put(rows, mean, inv)

    def _ghosts(self, j: int, primary: list[Term], cheap: list[Term]) -> None:
        """The two convolutions of the ghost operation on the edges that leave state j."""
        x, dtype = self.states[j], self.states[j].dtype
        geometry = Geometry(x, self.plan.sources[j].stride, primary[0].stack.point.shape[3] // x.shape[-1])
        y1, y2 = (
            [self.buffer((name, t.pair), geometry.out_shape, dtype) for t in primary] for name in ("ghost1", "ghost2")
        )
        sums = conv_forward(geometry, ConvInput(x, ACT_NONE), primary, y1)
        mean, inv = self.normaliser.normalise(sums, [t.bn for t in primary], geometry.count)
        inner = self._inner(geometry, y1, primary, mean, inv)
        sums = conv_forward(inner.geometry, inner.source, cheap, y2)
        mean, inv = self.normaliser.normalise(sums, [t.bn for t in cheap], geometry.count)
        scale, shift = (t.to(dtype) for t in scale_and_shift(mean, inv, affine_parameters(cheap)))
        assert inner.source.scale is not None and inner.source.shift is not None
        coef = torch.stack([inner.source.scale, inner.source.shift, scale, shift], 1)
        maps = []
        for i, t in enumerate(primary):
            weight = self.weights[t.pair].to(dtype)
            scales = weight.expand(geometry.n) if self.factor is None else weight * self.factor[t.edge]
            maps.append(GhostMaps(y1[i], y2[i], coef[i], scales.contiguous()))
        self.ghosts[j] = GhostRecord(geometry, inner, maps, mean, inv)
