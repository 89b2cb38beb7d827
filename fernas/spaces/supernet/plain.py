"""The supernet in its plain form: one module per operation and per edge, NCHW, nothing shared.

This is the reference. It follows the cell-based search space of DARTS and its relatives word for word, and it is
written for being read, not for speed. `fast` computes the same function from the same parameters.

Shapes: images (N, in_channels, H, W); a cell works on maps (N, C, H, W) and returns (N, nodes * C, H, W), or
(N, nodes * C, H/2, W/2) when it is a reduction cell; the network returns logits (N, classes).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from fernas.core.errors import ConfigError
from fernas.spaces.cell_space import STEMS, CellSpace, edge_list, reductions
from fernas.spaces.operations import FactorizedReduce, ReLUConvBN, search_operation

KINDS = ("normal", "reduce")  # of cells
Decisions = Mapping[int, str | None]
DROPPED = -1e4  # alpha of an operation that an edge has lost; finite, so that histories stay numbers


class MixedOp(nn.Module):
    """One edge: the sum over o of weights[o] * op_o(x)."""

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.ops = nn.ModuleList(search_operation(name, channels, stride) for name in names)

    def forward(
        self, x: Tensor, weights: Tensor, columns: tuple[int, ...] | None = None, skip_dropout: float = 0.0
    ) -> Tensor:
        """(N, C, H, W) and weights (operations,) -> (N, C, H', W').

        `columns`: the operations that are computed, None for all. `skip_dropout`: the probability with which values
        behind an identity are dropped.
        """
        first, *others = range(len(self.ops)) if columns is None else columns
        total = weights[first] * self.term(first, x, skip_dropout)
        for o in others:
            total = total + weights[o] * self.term(o, x, skip_dropout)
        return total

    def term(self, operation: int, x: Tensor, skip_dropout: float) -> Tensor:
        """One operation's map."""
        op = self.ops[operation]
        out: Tensor = op(x)
        return F.dropout(out, skip_dropout, self.training) if skip_dropout and isinstance(op, nn.Identity) else out


class SupernetCell(nn.Module):
    """Two inputs, `nodes` inner nodes, a mixed edge from every earlier state to every node.

    Attributes:
        decisions: edge -> its one operation, which then enters with weight one, or None for a pruned edge. Nothing
            else of such an edge is computed (SGAS).
        remaining: edge -> the operations that remain on it (P-DARTS); every operation on an edge that is not there.
        skip_dropout: probability with which values behind identities are dropped in training (P-DARTS).
        repeats_pruned: whether a pruned edge adds the map of the edge computed before it once more, at the first edges
            of a node that of the node before (the released code of Auto-FERNet); else it adds nothing (SGAS).
    """

    mixed_type: Callable[..., MixedOp] = MixedOp

    def __init__(
        self,
        names: tuple[str, ...],
        nodes: int,
        c_prev_prev: int,
        c_prev: int,
        channels: int,
        reduction: bool,
        reduction_prev: bool,
    ) -> None:
        super().__init__()
        self.names, self.nodes, self.channels = names, nodes, channels
        self.reduction = reduction
        self.decisions: dict[int, int | None] = {}
        self.remaining: dict[int, tuple[int, ...]] = {}
        self.skip_dropout = 0.0
        self.repeats_pruned = False
        # behind a reduction cell the older input is still twice as large
        self.pre_0: nn.Module = (
            FactorizedReduce(c_prev_prev, channels, False)
            if reduction_prev
            else ReLUConvBN(c_prev_prev, channels, 1, 1, False)
        )
        self.pre_1 = ReLUConvBN(c_prev, channels, 1, 1, False)
        self.edge_list = edge_list(nodes)
        self.edges = nn.ModuleList(
            self.mixed_type(names, channels, self.stride(source)) for _, source in self.edge_list
        )

    def stride(self, source: int) -> int:
        """The stride of the edges that leave a state: 2 from the inputs of a reduction cell."""
        return 2 if self.reduction and source < 2 else 1

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        """(N, c0, H0, W0), (N, c1, H, W), weights (edges, operations) -> (N, nodes * C, H', W')."""
        states = [self.pre_0(s0), self.pre_1(s1)]
        size = [-(-n // self.stride(0)) for n in states[1].shape[2:]]
        totals: list[Tensor | None] = [None] * self.nodes
        last: Tensor | None = None  # the map of the edge computed last
        for edge, (node, source) in enumerate(self.edge_list):
            if source == 0 and node > 0:  # the first edge into a node: the node before it is complete
                states.append(self._node(totals[node - 1], states[1], size))
            term = self._edge(edge, states[source], weights)
            if term is None and self.repeats_pruned:
                term = last
            last = term
            if term is not None:
                total = totals[node]
                totals[node] = term if total is None else total + term
        states.append(self._node(totals[-1], states[1], size))
        return torch.cat(states[2:], dim=1)

    def _edge(self, edge: int, x: Tensor, weights: Tensor) -> Tensor | None:
        mixed = self.edges[edge]
        if edge not in self.decisions:
            return mixed(x, weights[edge], self.remaining.get(edge), self.skip_dropout)
        choice = self.decisions[edge]
        return None if choice is None else mixed.ops[choice](x)

    def _node(self, total: Tensor | None, like: Tensor, size: list[int]) -> Tensor:
        """The sum of a node; zeros where every edge that enters it is pruned."""
        return like.new_zeros(*like.shape[:2], *size) if total is None else total


class Supernet(nn.Module):
    """The supernet. Its alphas are two (edges, operations) parameters: normal cells, reduction cells."""

    cell_type: Callable[..., SupernetCell] = SupernetCell

    def __init__(
        self,
        space: CellSpace,
        cells: int = 8,
        channels: int = 16,
        in_channels: int = 3,
        classes: int = 7,
        nodes: int | None = None,
        stem: str = "plain",
    ) -> None:
        super().__init__()
        if stem not in STEMS:
            raise ConfigError(f"supernet: stem must be one of {sorted(STEMS)}, got {stem!r}")
        self.space, self.names, self.channels = space, space.operations, channels
        self.nodes = space.nodes if nodes is None else nodes
        width = 3 * channels
        # the one affine BatchNorm of a supernet, as in every published one; it belongs to the weights
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, STEMS[stem], 1, bias=False), nn.BatchNorm2d(width))
        c_prev_prev, c_prev, c = width, width, channels
        self.cells = nn.ModuleList()
        reduction_prev = False
        for i in range(cells):
            reduction = i in reductions(cells)
            c = 2 * c if reduction else c
            self.cells.append(self.cell_type(self.names, self.nodes, c_prev_prev, c_prev, c, reduction, reduction_prev))
            reduction_prev = reduction
            c_prev_prev, c_prev = c_prev, self.nodes * c
        self.classifier = nn.Linear(c_prev, classes)
        edges = len(edge_list(self.nodes))
        # small, so that all operations of an edge start with nearly the same weight
        self.alpha_normal = nn.Parameter(1e-3 * torch.randn(edges, len(self.names)))
        self.alpha_reduce = nn.Parameter(1e-3 * torch.randn(edges, len(self.names)))

    def alphas(self) -> list[nn.Parameter]:
        """The architecture parameters: normal, reduce, each (edges, operations)."""
        return [self.alpha_normal, self.alpha_reduce]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters, in the order of `parameters()`."""
        return [p for name, p in self.named_parameters() if not name.startswith("alpha_")]

    def set_decisions(self, kind: str, decisions: Decisions) -> None:
        """Fixes edges of all cells of a kind: {edge: operation name, or None for a pruned edge}; others stay mixed.

        A decided edge computes its one operation with weight one and nothing else, a pruned edge nothing at all.
        """
        if kind not in KINDS:
            raise ConfigError(f"set_decisions: kind must be one of {KINDS}, got {kind!r}")
        edges = len(edge_list(self.nodes))
        columns: dict[int, int | None] = {}
        for edge, name in decisions.items():
            if not 0 <= edge < edges:
                raise ConfigError(f"set_decisions: edge must be in 0..{edges - 1}, got {edge}")
            if name is not None:
                self.space.require(name, f"set_decisions[{edge}]")
            columns[int(edge)] = None if name is None else self.names.index(name)
        for cell in self.cells:
            if cell.reduction == (kind == "reduce"):
                cell.decisions = dict(columns)
        self._decisions_changed()

    def keep_operations(self, kind: str, operations: Mapping[int, Sequence[str]]) -> None:
        """Leaves only the named operations on the edges of all cells of a kind; other edges keep all of theirs.

        The others are not computed any more, and their alphas go to `DROPPED`, where softmax gives exactly zero.
        """
        if kind not in KINDS:
            raise ConfigError(f"keep_operations: kind must be one of {KINDS}, got {kind!r}")
        alpha = self.alpha_normal if kind == "normal" else self.alpha_reduce
        columns = {}
        for edge, names in operations.items():
            if not 0 <= edge < len(alpha) or not names or not set(names) <= set(self.names):
                raise ConfigError(
                    f"keep_operations: edge {edge} with {list(names)}; expected 0..{len(alpha) - 1} and operations of "
                    f"{', '.join(self.names)}"
                )
            columns[int(edge)] = tuple(sorted(self.names.index(name) for name in names))
        with torch.no_grad():
            for edge, remaining in columns.items():
                alpha[edge, [o for o in range(len(self.names)) if o not in remaining]] = DROPPED
        for cell in self.cells:
            if cell.reduction == (kind == "reduce"):
                cell.remaining = dict(columns)
        self._decisions_changed()

    def set_skip_dropout(self, probability: float) -> None:
        """Sets the dropout behind the skip connections of all cells that are identities (training mode only)."""
        for cell in self.cells:
            cell.skip_dropout = probability

    def repeat_pruned(self) -> None:
        """From now on pruned edges add the map computed last once more, as in Auto-FERNet's released code."""
        for cell in self.cells:
            cell.repeats_pruned = True

    def _decisions_changed(self) -> None:
        """A form that plans ahead forgets its plan here."""

    def softmax(self) -> tuple[Tensor, Tensor]:
        """Softmax over the operations of each edge: normal, reduce, each (edges, operations)."""
        return F.softmax(self.alpha_normal, -1), F.softmax(self.alpha_reduce, -1)

    def features(self, x: Tensor) -> Tensor:
        """Images to the last map, (N, nodes * C', H/4, W/4) with C' the width of the last cell."""
        normal, reduce = self.softmax()
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, reduce if cell.reduction else normal)
        return s1

    def forward(self, x: Tensor) -> Tensor:
        """Images float (N, in_channels, H, W) -> logits (N, classes)."""
        return self.classifier(self.features(x).mean((2, 3)))


def require_gradients(net: Supernet, alphas: bool, weights: bool) -> None:
    """Chooses what the next backward pass computes: the gradients of the alphas, of the weights, or both.

    Either half of a search step needs one kind only. That changes no result and saves a fifth of the work.
    """
    for p in net.alphas():
        p.requires_grad_(alphas)
    for p in net.weights():
        p.requires_grad_(weights)
