"""The backward pass of one cell in the compiled loops.

Order: from the last node to the entries, since the gradient of a state is complete only when every edge that leaves it
has run. Alpha gradients and the sums for BatchNorm come from one pass over the maps that entered the sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fernas.spaces.kernels.batch_norm import backward_factors
from fernas.spaces.kernels.calls import (
    ACT_NONE,
    ACT_RELU,
    ConvInput,
    GradientTarget,
    ProductGradients,
    conv_backward,
    ghost_backward,
    pool_backward,
    products,
)
from fernas.spaces.kernels.forward import CellForward, InnerRecord
from fernas.spaces.kernels.layout import Geometry
from fernas.spaces.kernels.packing import StackMember, affine_parameters
from fernas.spaces.kernels.plan import GhostTerms, SourcePlan, Term


@dataclass(frozen=True)
class SourceGradients:
    """What the gradients behind one state are made of.

    Attributes:
        of_edge: edge -> gradient of the node that it enters, (1, N, B, H', W', V).
        factors: drop path's factors of these edges (edges, N), or None.
        weights: softmax(alpha) of the rows (K, 1), float64.
        coef: BatchNorm's backward factors of the rows that have one (K', 3, C), float64.
        into: where the gradient of the state goes.
    """

    of_edge: dict[int, Tensor]
    factors: Tensor | None
    weights: Tensor
    coef: Tensor
    into: Tensor


class CellBackward:
    """The backward pass of one `CellForward`.

    Args:
        cell: the record of the forward pass.
        g: the gradient (nodes, N, B, H', W', V) of its output, which is overwritten.
        need_weights: whether parameters get gradients; they are left in the stacks of the plan.
        need_alphas: whether the table of weights gets one.
    """

    def __init__(self, cell: CellForward, g: Tensor, need_weights: bool, need_alphas: bool) -> None:
        self.cell, self.plan, self.g, self.dtype = cell, cell.plan, g, g.dtype
        self.need_weights, self.need_alphas = need_weights, need_alphas
        self.d_weights = torch.zeros_like(cell.weights)

    def run(self, targets: Sequence[GradientTarget | None]) -> Tensor:
        """Writes the gradients of the two inputs to `targets` (None: not wanted); returns that of the weights."""
        cell, plan = self.cell, self.plan
        if self.need_weights:
            for stack in plan.stacks:
                stack.allocate_gradients()
        # one gradient buffer per shape of entry, shared by all cells: they run one after another
        d_states = [cell.buffers.get(("d", j, s.shape), s.shape, self.dtype) for j, s in enumerate(cell.states[:2])]
        d_states += [self.g[i : i + 1] for i in range(plan.nodes)]
        for j in range(plan.nodes, -1, -1):
            wanted = self.need_weights or j > 1 or targets[j] is not None
            self._source(j, d_states[j], wanted)
        for j, (member, target) in enumerate(zip(plan.entries, targets, strict=True)):
            if target is not None:
                self._entry(j, member, d_states[j], target)
        return self.d_weights

    def _entry(self, j: int, member: StackMember, d: Tensor, target: GradientTarget) -> None:
        """The convolution in front of the cell and its BatchNorm."""
        record = self.cell.entries[j]
        sums = products(record.geometry, [(d, None), (d, record.product)])
        gamma = member.stack.gamma if member.stack.gamma is not None else 1.0
        corr, coef = backward_factors((sums[:1], sums[1:]), record.mean, record.inv, gamma, record.geometry.count)
        if self.need_weights:
            member.stack.set_affine_gradients(0, corr[0], sums[0])
        gradients = ProductGradients([record.product], [d], coef.to(self.dtype), None)
        source = ConvInput(self.cell.inputs[j], ACT_RELU)
        conv_backward(record.geometry, source, [member], gradients, target, self.need_weights)

    def _source(self, j: int, into: Tensor, wanted: bool) -> None:
        """Alpha gradients of the edges that leave state j and, if `wanted`, all gradients behind them."""
        source = self.plan.sources[j]
        if not source.edges:
            if j < 2:  # a node's gradient is there already; an entry's buffer holds another cell's
                into.zero_()
            return
        gradients = self._edge_gradients(j, source, into)
        if wanted:
            self._pools(j, source, gradients)
        if source.ghosts is not None:
            self._ghosts(j, source.ghosts, gradients, wanted)
        if wanted and source.terms:
            self._convolutions(j, source, gradients)

    def _edge_gradients(self, j: int, source: SourcePlan, into: Tensor) -> SourceGradients:
        """One pass over g and the maps of all edges: the sums behind alpha gradients and BatchNorm's factors."""
        cell, tables, edges = self.cell, self.cell.tables, source.edges
        targets = {e: self.plan.edges[e].target for e in edges}
        of_edge = {e: self.g[node : node + 1] for e, node in targets.items()}
        factors = None if cell.factor is None else cell.factor[edges]
        # maps without a BatchNorm matter for their alpha gradient only
        n = len(source.rows) if self.need_alphas else source.n_normed
        edge_of_row = source.edge_of_row[:n]
        sums = products(
            Geometry(self.g[:1], 1, cell.geometries[j].out_blocks),
            [(of_edge[e], None) for e in edges] + [(of_edge[e], cell.maps[e, o]) for e, o in source.rows.pairs[:n]],
            None if factors is None else torch.cat([factors, factors[edge_of_row]]),
        )
        total, product = sums[edge_of_row], sums[len(edges) :]
        weights = source.rows.gather(cell.weights)[:, None]
        mean, inv = source.rows.gather(tables.mean)[:n], source.rows.gather(tables.inv)[:n]
        scales = weights * source.rows.gather(tables.gamma) if tables.is_affine else weights
        corr, coef = backward_factors((total, product), mean, inv, scales[:n], cell.geometries[j].count)
        if self.need_alphas:
            source.rows.scatter(self.d_weights, corr.sum(1))
        if tables.is_affine and self.need_weights:
            d_gamma, d_beta = weights[:n] * corr, weights[:n] * total
            for t in (*source.terms[: source.n_last], *source.second):
                row = source.position[t.pair]
                t.stack.set_affine_gradients(t.index, d_gamma[row], d_beta[row])
        return SourceGradients(of_edge, factors, weights, coef, into)

    def _convolutions(self, j: int, source: SourcePlan, gradients: SourceGradients) -> None:
        """The convolutions that leave state j; the second stages of sep_convs come first."""
        cell, record, last = self.cell, self.cell.convolutions[j], source.last
        assert record is not None
        coef = gradients.coef.to(self.dtype)
        coefs = [coef[source.positions(last)]]
        upstream = [gradients.of_edge[e] for e, _ in last.pairs]
        factor = None if cell.factor is None else [cell.factor[last.edges]]
        if record.inner is not None:
            n = source.n_last
            second = ProductGradients(
                [cell.maps[t.pair] for t in source.second],
                [gradients.of_edge[t.edge] for t in source.second],
                coef[source.positions(source.inner)],
                None if cell.factor is None else cell.factor[source.inner.edges],
            )
            d_first, more = self._inner(record.inner, source.second, source.terms[n:], second)
            coefs.append(more)
            upstream += d_first
            if factor is not None:  # drop path is already in what the second stages pass on
                factor.append(factor[0].new_ones(len(d_first), cell.geometries[j].n))
        output = ProductGradients(
            record.products, upstream, torch.cat(coefs), None if factor is None else torch.cat(factor)
        )
        target = GradientTarget(gradients.into, True)
        conv_input = ConvInput(cell.states[j], ACT_RELU)
        conv_backward(cell.geometries[j], conv_input, source.terms, output, target, self.need_weights)

    def _inner(
        self, inner: InnerRecord, second: Sequence[Term], first: Sequence[Term], gradients: ProductGradients
    ) -> tuple[list[Tensor], Tensor]:
        """From second stages to the BatchNorms of the first: what reaches their products, and its factors (K, 3, C)."""
        shape = inner.geometry.out_shape
        d_first = [self.cell.buffers.get(("dy", i, shape), shape, self.dtype) for i in range(len(second))]
        target = GradientTarget(d_first, False)
        sums = conv_backward(inner.geometry, inner.source, second, gradients, target, self.need_weights)
        assert sums is not None
        return d_first, self._first_stage(inner, first, (sums[:, 0], sums[:, 1]))

    def _first_stage(self, inner: InnerRecord, first: Sequence[Term], sums: tuple[Tensor, Tensor]) -> Tensor:
        """BatchNorm behind first stages, from the sums (K, C) of g and g * y; stores affine gradients."""
        affine = affine_parameters(first)
        gamma = 1.0 if affine is None else affine[0]
        corr, coef = backward_factors(sums, inner.mean, inner.inv, gamma, inner.geometry.count)
        if affine is not None and self.need_weights:
            for i, t in enumerate(first):
                t.stack.set_affine_gradients(t.index, corr[i], sums[0][i])
        return coef.to(self.dtype)

    def _pools(self, j: int, source: SourcePlan, gradients: SourceGradients) -> None:
        """Pools and skips of all edges in one pass; writes the gradient of an entry, adds to that of a node."""
        geometry, n = self.cell.geometries[j], len(source.edges)
        row_of_edge = {e: i for i, e in enumerate(source.edges)}
        weights, coef = gradients.weights, gradients.coef
        table = torch.zeros(3 * n + 4, geometry.out_channels, dtype=torch.float64)  # laid out as pool.h says
        for kind, users in enumerate(source.pools.values()):
            for (e, o), bn in users:
                row = source.position[e, o]
                if isinstance(bn, nn.Identity):
                    table[kind * n + row_of_edge[e]] = weights[row]
                else:
                    table[kind * n + row_of_edge[e]] = coef[row, 0]
                    table[3 * n + 2 * kind : 3 * n + 2 * kind + 2] += coef[row, 1:]
        for pair in source.skips:
            table[2 * n + row_of_edge[pair[0]]] = weights[source.position[pair]]
        target = GradientTarget(gradients.into, j > 1)
        upstream, factors = list(gradients.of_edge.values()), gradients.factors
        pool_backward(geometry, upstream, self.cell.pools.get(j), table.to(self.dtype), factors, target)

    def _ghosts(self, j: int, terms: GhostTerms, gradients: SourceGradients, wanted: bool) -> None:
        """Adds the ghost operations' share of the alpha gradients and of the state's gradient."""
        record, primary, cheap = self.cell.ghosts[j], terms.primary, terms.cheap
        geometry, shape = record.geometry, record.geometry.out_shape
        d1, d2 = (
            [self.cell.buffers.get((name, i, shape), shape, self.dtype) for i in range(len(primary))]
            for name in ("d1", "d2")
        )
        sums = torch.stack(
            [
                ghost_backward(self.cell.geometries[j], maps, gradients.of_edge[t.edge], d1[i], d2[i])
                for i, (t, maps) in enumerate(zip(primary, record.maps, strict=True))
            ]
        )
        for i, t in enumerate(primary):
            self.d_weights[t.pair] = sums[i, 0].sum()
        if not wanted:
            return
        # the second convolutions and their BatchNorm
        affine = affine_parameters(cheap)
        gamma = 1.0 if affine is None else affine[0]
        corr, coef = backward_factors((sums[:, 3], sums[:, 4]), record.mean, record.inv, gamma, geometry.count)
        if self.need_weights and affine is not None:
            for i, t in enumerate(cheap):
                t.stack.set_affine_gradients(t.index, corr[i], sums[i, 3])
        y1, y2 = [maps.primary for maps in record.maps], [maps.cheap for maps in record.maps]
        output, target = ProductGradients(y2, d2, coef.to(self.dtype), None), GradientTarget(d1, True)
        more = conv_backward(record.inner.geometry, record.inner.source, cheap, output, target, self.need_weights)
        assert more is not None
        # the first ones, reached by both halves of the output
        first = self._first_stage(record.inner, primary, (sums[:, 1] + more[:, 0], sums[:, 2] + more[:, 1]))
        output = ProductGradients(y1, d1, first, None)
        source, target = ConvInput(self.cell.states[j], ACT_NONE), GradientTarget(gradients.into, True)
        conv_backward(geometry, source, primary, output, target, self.need_weights)
