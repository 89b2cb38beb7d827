"""The compiled path: one `autograd.Function` that runs all cells of a network in the loops of `cpp/`.

`plan` holds what has to be done, `calls` the loops, this module the order of the calls and the small algebra between
them: BatchNorm folded into per-channel factors, softmax(alpha) and affine parameters folded in with it.
"""

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fernas.spaces.kernels import library
from fernas.spaces.kernels.calls import (
    ACT_AFFINE_RELU,
    ACT_NONE,
    ACT_RELU,
    REDUCE,
    Geometry,
    bn_backward,
    combine,
    conv_backward,
    conv_forward,
    ghost_backward,
    ghost_forward,
    moments,
    pool_backward,
    pool_forward,
    pooled,
    products,
    to_blocked,
)
from fernas.spaces.kernels.pause import no_collection
from fernas.spaces.kernels.plan import CellPlan, NetPlan, Slot, SourcePlan, Space, Statistics, Term, serves

Target: TypeAlias = "tuple[Tensor, bool] | None"  # where a gradient goes, and whether it is added to what is there


class Mode:
    """What one forward pass is: training (batch statistics, kept) or evaluation (running statistics)."""

    def __init__(self, plan: NetPlan, training: bool) -> None:
        self.eps, self.training = plan.eps, training
        self.statistics = Statistics()

    def normalise(self, sums: Tensor, bns: Sequence[nn.BatchNorm2d], count: int) -> tuple[Tensor, Tensor]:
        """Means and inverse deviations (K, C), float64, of K BatchNorms on maps with sums (K, 2, C)."""
        if self.training:
            mean, var, inv = moments(sums, count, self.eps)
            width = bns[0].num_features
            self.statistics.add(bns, mean[:, :width], var[:, :width], count)
            return mean, inv
        padding = (0, sums.shape[-1] - bns[0].num_features)
        mean = nn.functional.pad(torch.stack([bn.running_mean for bn in bns]).double(), padding)  # type: ignore[misc]
        var = nn.functional.pad(torch.stack([bn.running_var for bn in bns]).double(), padding)  # type: ignore[misc]
        return mean, torch.rsqrt(var + self.eps)


def affine(terms: Sequence[Term]) -> tuple[Tensor, Tensor] | None:
    """Gamma and beta (K, C) of the BatchNorms behind terms, or None where they have none."""
    if not terms or not terms[0].slot.affine:
        return None
    gammas, betas = zip(*((t.slot.gamma[t.place], t.slot.beta[t.place]) for t in terms), strict=True)  # type: ignore[index]
    return torch.stack(gammas), torch.stack(betas)


def fold(mean: Tensor, inv: Tensor, parameters: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """BatchNorm as scale and shift, float64."""
    if parameters is None:
        return inv, -mean * inv
    scale = parameters[0] * inv
    return scale, parameters[1] - mean * scale


def pick(terms: Sequence[Term], name: str) -> list[Any]:
    """The packed arrays `name` of a list of terms."""
    arrays = [(getattr(t.slot, name), t.place) for t in terms]
    return [None if array is None else array[place] for array, place in arrays]


class CellRun:
    """One cell in one step: the forward pass keeps here what the backward pass needs."""

    def __init__(self, plan: CellPlan, index: int, space: Space, mode: Mode) -> None:
        self.plan, self.index, self.space, self.mode = plan, index, space, mode

    def buffer(self, key: tuple[Any, ...], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A buffer that only this cell uses."""
        return self.space.get((self.index, *key), shape, dtype)

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor, factor: Tensor | None) -> Tensor:
        """Blocked maps (G, N, B, H, W, V), weights (edges, columns), factor (edges, N) -> (nodes, N, B, H', W', V)."""
        plan = self.plan
        dtype, v = s0.dtype, s0.shape[-1]
        self.inputs, self.weights, self.factor = (s0, s1), weights.double(), factor
        for slot in plan.slots:
            slot.pack(v)
        blocks = plan.channels // v
        self.states: list[Tensor] = []
        self.pre: list[Any] = []
        for j, (s, slot) in enumerate(zip((s0, s1), plan.pre, strict=True)):
            self.states.append(self.enter(j, s, slot, blocks))
        _, n, _, h, w, _ = self.states[0].shape
        ho, wo = (-(-h // 2), -(-w // 2)) if plan.reduction else (h, w)
        self.out = self.buffer(("out",), (plan.nodes, n, blocks, ho, wo, v), dtype)
        # statistics and affine parameters of what enters the sum of a target node, by edge and operation
        shape = (len(plan.edges), plan.columns, plan.channels)
        self.mean, self.inv = torch.zeros(shape, dtype=torch.float64), torch.ones(shape, dtype=torch.float64)
        self.affine = plan.pre[0].affine
        if self.affine:
            self.gamma, self.beta = torch.ones_like(self.mean), torch.zeros_like(self.mean)
        self.maps: dict[tuple[int, int], Tensor] = {}  # (edge, operation) -> map that enters the sum
        self.geo: list[Geometry] = []
        self.second: list[Any] = []
        self.ghosts: dict[int, Any] = {}
        self.ghost_stats: dict[int, Any] = {}
        for j, source in enumerate(plan.sources):
            if j >= 2:
                self.sum_node(j - 2)
            self.forward_source(j, source)
        self.sum_node(plan.nodes - 1)
        return self.out

    def enter(self, j: int, s: Tensor, slot: Slot, blocks: int) -> Tensor:
        """The convolution in front of the cell and its BatchNorm."""
        geo = Geometry(s, 2 if slot.op[0] == REDUCE else 1, blocks)
        y = self.buffer(("pre", j), geo.out_shape, s.dtype)
        sums = conv_forward(geo, ACT_RELU, s, None, None, [slot.op], [None], [slot.pw], [y])
        mean, inv = self.mode.normalise(sums, slot.bns, geo.count)
        scale, shift = fold(mean, inv, (slot.gamma, slot.beta) if slot.affine else None)  # type: ignore[arg-type]
        x = self.buffer(("state", j), geo.out_shape, s.dtype)
        combine(geo, [y], scale.to(s.dtype), None, shift[0].to(s.dtype), x)
        self.pre.append((geo, y, mean, inv))
        return x

    def sum_node(self, node: int) -> None:
        """The sum of a node: one pass over all maps that enter it, BatchNorm and weights folded in."""
        plan, rows = self.plan, self.plan.node_rows[node]
        target = self.out[node : node + 1]
        dtype = target.dtype
        weights = rows.of(self.weights)[:, None]
        coef = weights * rows.of(self.inv)
        if self.affine:
            coef = coef * rows.of(self.gamma)
        bias = -(coef * rows.of(self.mean))
        if self.affine:
            bias = bias + weights * rows.of(self.beta)
        factor = None
        if self.factor is None or not len(rows):
            bias = bias.sum(0)
        else:
            factor = self.factor[rows.edges]
            bias = factor.double().t() @ bias
        if len(rows):
            combine(
                Geometry(target, 1, target.shape[2]), [self.maps[pair] for pair in rows.pairs], coef.to(dtype),
                factor, bias.to(dtype), target,
            )  # fmt: skip
        else:
            target.zero_()
        for e, (geo, y1, y2, coef, scale) in self.ghosts.items():
            if plan.edges[e].target == node:
                ghost_forward(geo, y1.shape[2], y1, y2, coef, scale, target)
        self.states.append(target)

    def forward_source(self, j: int, source: SourcePlan) -> None:
        """Everything that leaves state j: pools, the convolutions of all edges, the second stages of its edges."""
        x = self.states[j]
        geo = Geometry(x, source.stride, self.plan.channels // x.shape[-1])
        self.geo.append(geo)
        self.forward_pools(j, source, geo)
        self.maps.update((pair, x) for pair in source.skips)
        if source.ghosts is not None:
            self.forward_ghosts(j, source)
        if not source.terms:
            self.second.append(None)
            return
        ys = [self.buffer(("y", t.pair, t.slot.op), geo.out_shape, x.dtype) for t in source.terms]
        sums = conv_forward(
            geo, ACT_RELU, x, None, None, [t.slot.op for t in source.terms], pick(source.terms, "dw"),
            pick(source.terms, "pw"), ys,
        )  # fmt: skip
        mean, inv = self.mode.normalise(sums, [t.slot.bns[t.place] for t in source.terms], geo.count)
        n = source.n_last
        self.keep(source.last, source.terms[:n], mean[:n], inv[:n])
        self.maps.update(zip(source.last.pairs, ys[:n], strict=True))
        if not source.second:
            self.second.append((ys,))
            return
        mean, inv = mean[n:], inv[n:]
        scale, shift = (t.to(x.dtype) for t in fold(mean, inv, affine(source.terms[n:])))
        inner = Geometry(ys[n], 1, geo.out_blocks)
        zs = [self.buffer(("z", t.pair), geo.out_shape, x.dtype) for t in source.second]
        sums = conv_forward(
            inner, ACT_AFFINE_RELU, ys[n:], scale, shift, [t.slot.op for t in source.second],
            pick(source.second, "dw"), pick(source.second, "pw"), zs,
        )  # fmt: skip
        self.second.append((ys, inner, scale, shift, mean, inv))
        mean, inv = self.mode.normalise(sums, [t.slot.bns[t.place] for t in source.second], inner.count)
        self.keep(source.inner, source.second, mean, inv)
        self.maps.update(zip(source.inner.pairs, zs, strict=True))

    def keep(self, rows: Any, terms: Sequence[Term], mean: Tensor, inv: Tensor) -> None:
        """Notes the statistics of last stages in the tables."""
        rows.put(self.mean, mean)
        rows.put(self.inv, inv)
        parameters = affine(terms)
        if parameters is not None:
            rows.put(self.gamma, parameters[0])
            rows.put(self.beta, parameters[1])

    def forward_pools(self, j: int, source: SourcePlan, geo: Geometry) -> None:
        """Both pools of a state, once for all its edges."""
        if not any(source.pools.values()):
            return
        x = self.states[j]
        values = [self.buffer((name, j), geo.out_shape, x.dtype) for name in source.pools]
        sums = pool_forward(geo, x, values[0], values[1], self.buffer(("index", j), geo.out_shape, torch.uint8))
        for value, found, rows, total in zip(
            values, source.pools.values(), source.pool_rows.values(), sums, strict=True
        ):
            self.maps.update((pair, value) for pair, _ in found)
            bns = [bn for _, bn in found]
            if bns and not isinstance(bns[0], nn.Identity):
                mean, inv = self.mode.normalise(total.expand(len(bns), -1, -1), bns, geo.count)  # type: ignore[arg-type]
                rows.put(self.mean, mean)
                rows.put(self.inv, inv)

    def forward_ghosts(self, j: int, source: SourcePlan) -> None:
        """The two convolutions of the ghost operation on the edges that leave state j."""
        assert source.ghosts is not None
        x, dtype = self.states[j], self.states[j].dtype
        primary, cheap = source.ghosts.terms, source.ghosts.cheap
        geo = Geometry(x, source.stride, primary[0].slot.pw.shape[3] // x.shape[-1])
        y1 = [self.buffer(("ghost1", t.pair), geo.out_shape, dtype) for t in primary]
        y2 = [self.buffer(("ghost2", t.pair), geo.out_shape, dtype) for t in primary]
        nothing = [None] * len(primary)
        sums = conv_forward(
            geo, ACT_NONE, x, None, None, [t.slot.op for t in primary], nothing, pick(primary, "pw"), y1
        )
        mean1, inv1 = self.mode.normalise(sums, [t.slot.bns[t.place] for t in primary], geo.count)
        scale, shift = (t.to(dtype) for t in fold(mean1, inv1, affine(primary)))
        inner = Geometry(y1[0], 1, geo.out_blocks)
        sums = conv_forward(
            inner, ACT_AFFINE_RELU, y1, scale, shift, [t.slot.op for t in cheap], pick(cheap, "dw"),
            pick(cheap, "pw"), y2,
        )  # fmt: skip
        mean2, inv2 = self.mode.normalise(sums, [t.slot.bns[t.place] for t in cheap], geo.count)
        scale2, shift2 = (t.to(dtype) for t in fold(mean2, inv2, affine(cheap)))
        coef = torch.stack([scale, shift, scale2, shift2], 1)
        for i, t in enumerate(primary):
            weight = self.weights[t.pair].to(dtype)
            scales = weight.expand(geo.n) if self.factor is None else weight * self.factor[t.edge]
            self.ghosts[t.edge] = self.geo[j], y1[i], y2[i], coef[i], scales.contiguous()
        self.ghost_stats[j] = geo, inner, scale, shift, mean1, inv1, mean2, inv2

    # ------------------------------------------------------------------------------------------------------------------

    def backward(self, g: Tensor, d_inputs: Sequence[Target], need_w: bool, need_alpha: bool) -> Tensor:
        """From the gradient g (nodes, N, B, H', W', V) of the output, which is overwritten.

        d_inputs: for s0 and s1 where their gradients go, None where none is wanted. Returns the gradient of `weights`;
        gradients of parameters are left in the slots.
        """
        plan, dtype = self.plan, g.dtype
        if need_w:
            for slot in plan.slots:
                slot.new_gradients()
        d_state = [self.space.get(("d", j, s.shape), s.shape, dtype) for j, s in enumerate(self.states[:2])]
        d_state += [g[i : i + 1] for i in range(plan.nodes)]
        d_weights = torch.zeros_like(self.weights)
        for j in range(plan.nodes, -1, -1):
            wanted = need_w or j > 1 or d_inputs[j] is not None
            self.backward_source(j, g, d_state[j], d_weights, need_w, need_alpha, wanted)
        for j, (s, slot, target) in enumerate(zip(self.inputs, plan.pre, d_inputs, strict=True)):
            if target is not None:
                self.leave(j, s, slot, d_state[j], target, need_w)
        return d_weights

    def leave(self, j: int, s: Tensor, slot: Slot, d: Tensor, target: Target, need_w: bool) -> None:
        """Backward of `enter`."""
        assert target is not None
        geo, y, mean, inv = self.pre[j]
        sums = products(geo, [(d, None), (d, y)])
        gamma = slot.gamma if slot.gamma is not None else 1.0
        corr, coef = bn_backward(sums[:1], sums[1:], mean, inv, gamma, geo.count)
        if need_w:
            slot.put_affine([0], corr, sums[:1])
        conv_backward(
            geo, ACT_RELU, s, None, None, [slot.op], [None], [slot.pwt], [y], [d], coef.to(s.dtype), None, target[0],
            target[1], [None] if need_w else None, [slot.dpw] if need_w else None,
        )  # fmt: skip

    def backward_source(
        self, j: int, g: Tensor, dx: Tensor, d_weights: Tensor, need_w: bool, need_alpha: bool, wanted: bool
    ) -> None:
        """Alpha gradients of the edges that leave state j and, if `wanted`, all gradients behind them."""
        plan, source, geo = self.plan, self.plan.sources[j], self.geo[j]
        dtype, edges = g.dtype, source.edges
        if not edges:
            if j < 2:
                dx.zero_()
            return
        g_of = {e: g[plan.edges[e].target : plan.edges[e].target + 1] for e in edges}
        factors = None if self.factor is None else self.factor[edges]
        n = len(source.rows) if need_alpha else source.n_normed
        rows, edge_of_row = source.rows.pairs[:n], source.edge_of_row[:n]
        sums = products(
            Geometry(g[:1], 1, geo.out_blocks),
            [(g_of[e], None) for e in edges] + [(g_of[e], self.maps[e, o]) for e, o in rows],
            None if factors is None else torch.cat([factors, factors[edge_of_row]]),
        )
        total, product = sums[edge_of_row], sums[len(edges) :]
        weights = source.rows.of(self.weights)[:, None]
        mean, inv = source.rows.of(self.mean)[:n], source.rows.of(self.inv)[:n]
        scales = weights * source.rows.of(self.gamma) if self.affine else weights
        corr, coef = bn_backward(total, product, mean, inv, scales[:n], geo.count)
        if need_alpha:
            source.rows.put(d_weights, corr.sum(1))
        if self.affine and need_w:
            self.keep_affine(source, weights[:n] * corr, weights[:n] * total)
        if wanted:
            self.backward_pools(j, source, g_of, factors, weights, coef, dx)
        if source.ghosts is not None:
            self.backward_ghosts(j, source, g_of, dx, d_weights, need_w, wanted)
        if not wanted or not source.terms:
            return
        coef = coef.to(dtype)
        coefs = [coef[source.positions(source.last)]]
        gs = [g_of[e] for e, _ in source.last.pairs]
        ys = self.second[j][0]
        factor = None if self.factor is None else [self.factor[source.last.edges]]
        if source.second:
            dys, more = self.backward_second(j, source, g_of, coef, need_w)
            coefs.append(more)
            gs += dys
            if factor is not None:
                factor.append(factor[0].new_ones(len(dys), geo.n))
        conv_backward(
            geo, ACT_RELU, self.states[j], None, None, [t.slot.op for t in source.terms], pick(source.terms, "dw"),
            pick(source.terms, "pwt"), ys, gs, torch.cat(coefs), None if factor is None else torch.cat(factor), dx,
            True, pick(source.terms, "ddw") if need_w else None, pick(source.terms, "dpw") if need_w else None,
        )  # fmt: skip

    def keep_affine(self, source: SourcePlan, dgamma: Tensor, dbeta: Tensor) -> None:
        """Gradients of the affine parameters of last stages."""
        for t in (*source.terms[: source.n_last], *source.second):
            i = source.position[t.pair]
            t.slot.put_affine([t.place], dgamma[i : i + 1], dbeta[i : i + 1])

    def backward_second(
        self, j: int, source: SourcePlan, g_of: dict[int, Tensor], coef: Tensor, need_w: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Second stages of the sep convs: gradients of the first stages' products (before BatchNorm) and their coef."""
        ys, inner, scale, shift, mean, inv = self.second[j]
        n, dtype = source.n_last, coef.dtype
        dys = [self.space.get(("dy", i, inner.out_shape), inner.out_shape, dtype) for i in range(len(source.second))]
        sums = conv_backward(
            inner, ACT_AFFINE_RELU, ys[n:], scale, shift, [t.slot.op for t in source.second],
            pick(source.second, "dw"), pick(source.second, "pwt"), [self.maps[t.pair] for t in source.second],
            [g_of[t.edge] for t in source.second], coef[source.positions(source.inner)],
            None if self.factor is None else self.factor[source.inner.edges], dys, False,
            pick(source.second, "ddw") if need_w else None, pick(source.second, "dpw") if need_w else None,
        )  # fmt: skip
        assert sums is not None
        parameters = affine(source.terms[n:])
        gamma = 1.0 if parameters is None else parameters[0]
        corr, more = bn_backward(sums[:, 0], sums[:, 1], mean, inv, gamma, inner.count)
        if parameters is not None and need_w:
            for i, t in enumerate(source.terms[n:]):
                t.slot.put_affine([t.place], corr[i : i + 1], sums[i : i + 1, 0])
        return dys, more.to(dtype)

    def backward_pools(
        self,
        j: int,
        source: SourcePlan,
        g_of: dict[int, Tensor],
        factors: Tensor | None,
        weights: Tensor,
        coef: Tensor,
        dx: Tensor,
    ) -> None:
        """Pools and skips of all edges in one pass; writes dx of the cell's inputs, adds to dx of its nodes."""
        geo, n = self.geo[j], len(source.edges)
        place = {e: i for i, e in enumerate(source.edges)}
        table = torch.zeros(3 * n + 4, geo.out_channels, dtype=torch.float64)
        for kind, found in enumerate(source.pools.values()):
            for (e, o), bn in found:
                i = source.position[e, o]
                if isinstance(bn, nn.Identity):
                    table[kind * n + place[e]] = weights[i]
                else:
                    table[kind * n + place[e]] = coef[i, 0]
                    table[3 * n + 2 * kind : 3 * n + 2 * kind + 2] += coef[i, 1:]
        for pair in source.skips:
            table[2 * n + place[pair[0]]] = weights[source.position[pair]]
        mx = av = index = None
        if any(source.pools.values()):
            mx, av = (self.buffer((name, j), geo.out_shape, dx.dtype) for name in source.pools)
            index = self.buffer(("index", j), geo.out_shape, torch.uint8)
        pool_backward(geo, list(g_of.values()), mx, av, index, table.to(dx.dtype), factors, dx, j > 1)

    def backward_ghosts(
        self,
        j: int,
        source: SourcePlan,
        g_of: dict[int, Tensor],
        dx: Tensor,
        d_weights: Tensor,
        need_w: bool,
        wanted: bool,
    ) -> None:
        """Adds the ghost operations' share of the alpha gradients and of dx."""
        assert source.ghosts is not None
        primary, cheap = source.ghosts.terms, source.ghosts.cheap
        geo, inner, scale, shift, mean1, inv1, mean2, inv2 = self.ghost_stats[j]
        dtype = scale.dtype
        d1, d2 = (
            [self.space.get((name, i, geo.out_shape), geo.out_shape, dtype) for i in range(len(primary))]
            for name in ("d1", "d2")
        )
        parts = []
        for i, t in enumerate(primary):
            out_geo, y1, y2, coef, scales = self.ghosts[t.edge]
            parts.append(ghost_backward(out_geo, geo.out_blocks, g_of[t.edge], y1, y2, coef, scales, d1[i], d2[i]))
        sums = torch.stack(parts)
        for i, t in enumerate(primary):
            d_weights[t.pair] = sums[i, 0].sum()
        if not wanted:
            return
        y1s, y2s = [self.ghosts[t.edge][1] for t in primary], [self.ghosts[t.edge][2] for t in primary]
        first, second = affine(primary), affine(cheap)
        corr, coef = bn_backward(sums[:, 3], sums[:, 4], mean2, inv2, 1.0 if second is None else second[0], geo.count)
        if need_w and second is not None:
            for i, t in enumerate(cheap):
                t.slot.put_affine([t.place], corr[i : i + 1], sums[i : i + 1, 3])
        more = conv_backward(
            inner, ACT_AFFINE_RELU, y1s, scale, shift, [t.slot.op for t in cheap], pick(cheap, "dw"),
            pick(cheap, "pwt"), y2s, d2, coef.to(dtype), None, d1, True, pick(cheap, "ddw") if need_w else None,
            pick(cheap, "dpw") if need_w else None,
        )  # fmt: skip
        assert more is not None
        total = sums[:, 1] + more[:, 0]
        gamma = 1.0 if first is None else first[0]
        corr, coef = bn_backward(total, sums[:, 2] + more[:, 1], mean1, inv1, gamma, geo.count)
        if need_w and first is not None:
            for i, t in enumerate(primary):
                t.slot.put_affine([t.place], corr[i : i + 1], total[i : i + 1])
        nothing = [None] * len(primary)
        conv_backward(
            geo, ACT_NONE, self.states[j], None, None, [t.slot.op for t in primary], nothing, pick(primary, "pwt"),
            y1s, d1, coef.to(dtype), None, dx, True, nothing if need_w else None,
            pick(primary, "dpw") if need_w else None,
        )  # fmt: skip


Factors: TypeAlias = "Sequence[Tensor | None] | None"  # per cell (edges, N), drop path's factor of each edge and image


def run_cells(
    plan: NetPlan, space: Space, mode: Mode, stem: Tensor, normal: Tensor, reduce: Tensor, factors: Factors
) -> list[CellRun]:
    """The forward pass of all cells; the last run's `out` is the last map."""
    runs: list[CellRun] = []
    outs = [stem, stem]
    for i, cell in enumerate(plan.cells):
        run = CellRun(cell, i, space, mode)
        weights = reduce if cell.reduction else normal
        outs.append(run.forward(outs[-2], outs[-1], weights, factors[i] if factors else None))
        runs.append(run)
    if mode.training:
        mode.statistics.update(plan.momentum, stem.dtype)
    return runs


class CellsFunction(torch.autograd.Function):
    """All cells: (plan, kept cells, factors, stem map (1, N, B, H, W, V), normal, reduce, *parameters) -> kept maps.

    A returned map (nodes, N, B, H', W', V) lives in a buffer that a later forward pass overwrites once this one's
    backward pass is done.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: NetPlan,
        kept: tuple[int, ...],
        factors: Factors,
        stem: Tensor,
        normal: Tensor,
        reduce: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        """Runs all cells in training mode; returns the maps of the cells `kept`."""
        space = plan.spaces.pop() if plan.spaces else Space()
        with no_collection():
            runs = run_cells(plan, space, Mode(plan, True), stem, normal, reduce, factors)
        ctx.plan, ctx.space, ctx.runs, ctx.kept = plan, space, runs, kept
        ctx.like = (stem.shape, stem.dtype)
        ctx.set_materialize_grads(False)
        return tuple(runs[i].out.detach() for i in kept)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients of the stem map, of the tables of weights, and of all parameters."""
        plan, space, runs = ctx.plan, ctx.space, ctx.runs
        if space is None:
            raise RuntimeError("the compiled cells can be differentiated once per forward pass")
        ctx.space = ctx.runs = None
        need_stem, need_alpha = ctx.needs_input_grad[3], any(ctx.needs_input_grad[4:6])
        need_w = any(ctx.needs_input_grad[6:])
        shape, dtype = ctx.like
        d_stem = torch.zeros(shape, dtype=dtype) if need_stem else None
        gs = [space.get(("g", i), run.out.shape, dtype) for i, run in enumerate(runs)]
        begun = set()
        for i, grad in zip(ctx.kept, grads, strict=True):
            if grad is not None:  # a cell may be kept twice: behind the auxiliary head, and as the last one
                gs[i].add_(grad) if i in begun else gs[i].copy_(grad)
                begun.add(i)
        if len(runs) - 1 not in begun:
            gs[-1].zero_()

        def target(i: int) -> Target:
            """Where the gradient of the output of cell i goes; the first one writes, the others add."""
            if i < 0:
                return None if d_stem is None else (d_stem, True)
            added = i in begun
            begun.add(i)
            return gs[i], added

        d_tables: dict[bool, Any] = {False: None, True: None}
        with no_collection():
            for i in range(len(runs) - 1, -1, -1):
                d_inputs = target(i - 2), target(i - 1)
                d = runs[i].backward(gs[i], d_inputs, need_w, need_alpha)
                reduction = plan.cells[i].reduction
                d_tables[reduction] = d if d_tables[reduction] is None else d_tables[reduction] + d
            found = [p for slot in plan.slots for p in slot.gradients()] if need_w else [None] * len(plan.parameters)
        plan.spaces.append(space)
        tables = [None if d is None or not need_alpha else d.to(dtype) for d in d_tables.values()]
        return (None, None, None, d_stem, *tables, *found)


def usable(x: Tensor, weight: Tensor, training: bool, channels: int, names: Iterable[str]) -> bool:
    """Whether the compiled cells serve: on the CPU, a width that they take, not to be differentiated in evaluation."""
    return (
        x.device.type == "cpu"
        and x.dtype in library.REALS
        and weight.dtype == x.dtype
        and (training or not torch.is_grad_enabled())
        and serves(channels, set(names))
        and library.enabled()
        and library.load(x.dtype) is not None
    )


PLANS: "weakref.WeakKeyDictionary[nn.Module, NetPlan]" = weakref.WeakKeyDictionary()  # a copied network gets its own


def features(
    plan: NetPlan,
    stem: Tensor,
    width: int,
    normal: Tensor,
    reduce: Tensor,
    training: bool,
    kept: tuple[int, ...] = (),
    factors: Factors = None,
) -> tuple[Tensor, ...]:
    """All cells on the stem map (N, C, H, W); `width` = channels of the first cell.

    Returns the global average of the last cell's map (N, C'), then the blocked maps of the cells `kept`. In evaluation
    mode, or without gradients, nothing can be differentiated and no map is kept.
    """
    x = to_blocked(stem, width)
    last = len(plan.cells) - 1
    tensors = (x, normal, reduce, *plan.parameters)
    if training and torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        *maps, out = CellsFunction.apply(plan, (*kept, last), factors, x, normal, reduce, *plan.parameters)
        return (pooled(out), *maps)
    space = plan.spaces.pop() if plan.spaces else Space()
    with torch.no_grad(), no_collection():
        runs = run_cells(plan, space, Mode(plan, training), x, normal, reduce, factors)
        out = pooled(runs[-1].out)
        maps = [runs[i].out.clone() for i in kept]
    plan.spaces.append(space)
    return (out, *maps)
