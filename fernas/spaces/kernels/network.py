"""All cells of a network as one function of autograd: from the stem's map to the global average of the last map."""

import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fernas.spaces.kernels import library
from fernas.spaces.kernels.backward import CellBackward
from fernas.spaces.kernels.batch_norm import Normaliser
from fernas.spaces.kernels.calls import GradientTarget
from fernas.spaces.kernels.forward import CellForward
from fernas.spaces.kernels.layout import global_average, to_blocked
from fernas.spaces.kernels.plan import BufferPool, NetPlan, has_kernels

Factors: TypeAlias = "Sequence[Tensor | None] | None"  # per cell (edges, N), drop path's factor of each edge and image
Tables: TypeAlias = tuple[Tensor, Tensor]  # weights (edges, columns) of normal and of reduction cells


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python's cycle collector from starting inside the block: with thousands of live tensors it costs 6 %."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def is_usable(x: Tensor, weight: Tensor, training: bool, channels: int, names: Iterable[str]) -> bool:
    """Whether the compiled cells can run here.

    They run on the CPU, in float32 or float64, at widths that the loops have, where a library could be built. Their
    evaluation mode has no backward pass.

    Args:
        x: a batch of images.
        weight: any weight of the network.
        training: the network's mode.
        channels: width of the first cell.
        names: operations of the cells.
    """
    return (
        x.device.type == "cpu"
        and x.dtype in library.REALS
        and weight.dtype == x.dtype
        and (training or not torch.is_grad_enabled())
        and has_kernels(channels, set(names))
        and library.enabled()
        and library.load(x.dtype) is not None
    )


def run_cells(
    plan: NetPlan, buffers: BufferPool, stem: Tensor, tables: Tables, factors: Factors, training: bool
) -> list[CellForward]:
    """The forward pass of all cells; the last one's `out` is the last map. Moves running statistics in training."""
    normaliser = Normaliser(plan.eps, training)
    runs: list[CellForward] = []
    outs = [stem, stem]
    for i, cell in enumerate(plan.cells):
        run = CellForward(cell, i, buffers, normaliser)
        outs.append(run.run(outs[-2], outs[-1], tables[cell.reduction], factors[i] if factors else None))
        runs.append(run)
    if training:
        normaliser.statistics.update(plan.momentum, stem.dtype)
    return runs


@dataclass(frozen=True)
class Request:
    """What a pass computes beside its tensors: the plan, the cells whose maps are returned, drop path's factors."""

    plan: NetPlan
    returned: tuple[int, ...]
    factors: Factors


class CellsFunction(torch.autograd.Function):
    """All cells: (request, stem map (1, N, B, H, W, V), normal, reduce, *parameters) -> the maps of cells `returned`.

    A returned map (nodes, N, B, H', W', V) lives in a buffer that a later forward pass overwrites once this one's
    backward pass is done.
    """

    @staticmethod
    def forward(
        ctx: Any, request: Request, stem: Tensor, normal: Tensor, reduce: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        """Runs all cells in training mode. `parameters` are inputs only so that autograd asks for their gradients."""
        buffers = request.plan.take_buffers()
        with no_collection():
            runs = run_cells(request.plan, buffers, stem, (normal, reduce), request.factors, True)
        ctx.plan, ctx.buffers, ctx.runs, ctx.returned = request.plan, buffers, runs, request.returned
        ctx.like = (stem.shape, stem.dtype)
        ctx.set_materialize_grads(False)
        return tuple(runs[i].out.detach() for i in request.returned)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients of the stem map, of the tables of weights, and of all parameters."""
        plan, buffers, runs = ctx.plan, ctx.buffers, ctx.runs
        if buffers is None:
            raise RuntimeError("the compiled cells can be differentiated once per forward pass")
        ctx.buffers = ctx.runs = None
        need_stem, need_alphas = ctx.needs_input_grad[1], any(ctx.needs_input_grad[2:4])
        need_weights = any(ctx.needs_input_grad[4:])
        shape, dtype = ctx.like
        outputs = OutputGradients(
            [buffers.get(("g", i), run.out.shape, dtype) for i, run in enumerate(runs)],
            torch.zeros(shape, dtype=dtype) if need_stem else None,
        )
        outputs.start(ctx.returned, grads)
        d_tables: dict[bool, Any] = {False: None, True: None}
        with no_collection():
            for i in range(len(runs) - 1, -1, -1):
                targets = outputs.target(i - 2), outputs.target(i - 1)
                d = CellBackward(runs[i], outputs.of_cells[i], need_weights, need_alphas).run(targets)
                reduction = plan.cells[i].reduction
                d_tables[reduction] = d if d_tables[reduction] is None else d_tables[reduction] + d
            d_parameters: list[Any] = [None] * len(plan.parameters)
            if need_weights:
                d_parameters = [p for stack in plan.stacks for p in stack.gradients()]
        plan.give_back(buffers)
        tables = [None if d is None or not need_alphas else d.to(dtype) for d in d_tables.values()]
        return (None, outputs.of_stem, *tables, *d_parameters)


class OutputGradients:
    """The gradients of all cells' outputs during a backward pass: the first to arrive writes, the others add."""

    def __init__(self, of_cells: list[Tensor], of_stem: Tensor | None) -> None:
        self.of_cells, self.of_stem = of_cells, of_stem
        self._begun: set[int] = set()

    def start(self, returned: Sequence[int], grads: Sequence[Tensor | None]) -> None:
        """Takes what autograd hands over for the returned maps."""
        for i, grad in zip(returned, grads, strict=True):
            if grad is not None:  # a cell may be returned twice: for the auxiliary head, and as the last one
                self.of_cells[i].add_(grad) if i in self._begun else self.of_cells[i].copy_(grad)
                self._begun.add(i)
        if len(self.of_cells) - 1 not in self._begun:
            self.of_cells[-1].zero_()

    def target(self, i: int) -> GradientTarget | None:
        """Where the gradient of cell i's output goes; cells -2 and -1 are the stem, which both first cells read."""
        if i < 0:
            return None if self.of_stem is None else GradientTarget(self.of_stem, True)
        add = i in self._begun
        self._begun.add(i)
        return GradientTarget(self.of_cells[i], add)


def features(
    plan: NetPlan,
    stem: Tensor,
    tables: Tables,
    training: bool,
    returned: tuple[int, ...] = (),
    factors: Factors = None,
) -> tuple[Tensor, ...]:
    """All cells on the stem's map.

    Args:
        plan: of the network.
        stem: (N, C, H, W).
        tables: weights of the operations, normal and reduction cells.
        training: batch statistics instead of running ones.
        returned: cells whose maps are wanted too.
        factors: drop path.

    Returns:
        The global average of the last cell's map (N, C'), then the blocked maps of the cells `returned`. In evaluation
        mode, or without gradients, nothing can be differentiated.
    """
    x = to_blocked(stem, plan.width)
    inputs = (x, *tables, *plan.parameters)
    if training and torch.is_grad_enabled() and any(t.requires_grad for t in inputs):
        request = Request(plan, (*returned, len(plan.cells) - 1), factors)
        *maps, out = CellsFunction.apply(request, *inputs)
        return (global_average(out), *maps)
    buffers = plan.take_buffers()
    with torch.no_grad(), no_collection():
        runs = run_cells(plan, buffers, x, tables, factors, training)
        out = global_average(runs[-1].out)
        maps = [runs[i].out.clone() for i in returned]  # the buffers are free again below
    plan.give_back(buffers)
    return (out, *maps)
