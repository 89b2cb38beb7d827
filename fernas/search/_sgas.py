"""SGAS: a differentiable search that decides one edge of each kind of cell after another (Li et al., CVPR 2020).

Criteria 1 and 2 as the authors' code and Auto-FERNet's compute them: P = softmax(alpha) of an edge, p = P without
`none`, normalised anew;

    S_EI = sum of P over o != none,    S_SC = 1 - H(p) / ln(operations),
    S_SS = mean over the stored epochs of sum over o of min(p_o, p_o then),

criterion 1 = norm(S_EI) norm(S_SC), criterion 2 = criterion 1 x norm(S_SS), norm = min-max over all edges.
"""

import dataclasses
import logging
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ContractError
from fernas.learn.batches import CyclingBatches
from fernas.search._supernet_options import edge_macs
from fernas.search._supernet_search import Batch, SupernetSearch, note_kernels, run_alone
from fernas.search.context import SearchContext
from fernas.search.sgas import INPUTS, SgasConfig, batch_of
from fernas.spaces.cell_space import CellSpace, edge_list, space_of
from fernas.spaces.operations import search_operation
from fernas.spaces.supernet import architecture_of, discretise
from fernas.spaces.supernet.plain import KINDS, Supernet

logger = logging.getLogger(__name__)
Decisions = dict[int, str | None]  # edge -> its operation, None for a pruned edge
COMPLEXITY_CHANNELS = 12  # width at which the published penalty counts an operation's parameters


@dataclass(frozen=True)
class Scores:
    """The criteria of one kind of cell after an epoch: float64 (edges,), p (edges, operations but `none`)."""

    importance: Tensor
    certainty: Tensor
    stability: Tensor
    score: Tensor
    p: Tensor


def choices(space: CellSpace) -> list[int]:
    """The columns of alpha that an edge may be decided for: all but `none`."""
    return [column for column, name in enumerate(space.operations) if name != "none"]


def normalise(values: Tensor) -> Tensor:
    """Min-max to [0, 1] over all edges; a score that is the same everywhere says nothing and counts as one."""
    low, high = values.min(), values.max()
    return torch.ones_like(values) if high <= low else (values - low) / (high - low)


def edge_scores(alpha: Tensor, columns: list[int], stored: list[Tensor], criterion: int) -> Scores:
    """The criteria on raw alphas (edges, operations), with the p of earlier epochs in `stored`.

    Without stored epochs the stability is zero on every edge and so has no influence.
    """
    weights = F.softmax(alpha.detach().double().cpu(), -1)[:, columns]  # (edges, operations but none)
    importance = weights.sum(-1)
    p = weights / importance[:, None]
    entropy = torch.special.entr(p).sum(-1) / torch.log(torch.tensor(float(len(columns)), dtype=torch.float64))
    certainty = 1 - entropy
    stability = torch.zeros_like(importance)
    if stored:
        stability = torch.stack([torch.minimum(p, old).sum(-1) for old in stored]).mean(0)
    # softmax in floating point gives sums that differ in the last bits where a space has no `none`
    flat = len(columns) == alpha.shape[1]
    score = (torch.ones_like(importance) if flat else normalise(importance)) * normalise(certainty)
    if criterion == 2:
        score = score * normalise(stability)
    return Scores(importance, certainty, stability, score, p)


def decide(
    scores: Scores, decided: Decisions, space: CellSpace, nodes: int | None = None
) -> tuple[Decisions, tuple[int, str]]:
    """The undecided edge with the highest score (the first of equals) gets its best operation; full nodes are pruned.

    Returns:
        All decisions after this one, and (edge, operation) of this one.

    Raises:
        ContractError: every edge is decided already.
    """
    edges = edge_list(space.nodes if nodes is None else nodes)
    open_edges = [edge for edge in range(len(edges)) if edge not in decided]
    if not open_edges:
        raise ContractError("sgas: every edge is decided")
    edge = max(open_edges, key=lambda e: (float(scores.score[e]), -e))
    name = space.choices[int(scores.p[edge].argmax())]
    after: Decisions = {**decided, edge: name}
    node = edges[edge][0]
    entering = [e for e, (target, _) in enumerate(edges) if target == node]
    if sum(after.get(e) is not None for e in entering) == INPUTS:
        after.update({e: None for e in entering if e not in after})
    return dict(sorted(after.items())), (edge, name)


def parameter_shares(space: CellSpace) -> Tensor:
    """Each operation's share of the parameters of all operations at width 12, stride 1: float64 (operations,)."""
    counts = [
        sum(p.numel() for p in search_operation(name, COMPLEXITY_CHANNELS, 1).parameters()) for name in space.operations
    ]
    return torch.tensor(counts, dtype=torch.float64) / sum(counts)


def complexity_term(alphas: list[Tensor], decided: dict[str, Decisions], shares: Tensor, kind: str) -> Tensor:
    """1/2 sum over o of alpha_o^2 x share of parameters, on raw alphas; its gradient is alpha_o x share.

    `published`: of the first normal edge alone, as Auto-FERNet's code; `all`: summed over all undecided edges of both
    kinds of cells; `none`: zero.
    """
    total = alphas[0].new_zeros(())
    if kind == "none":
        return total
    shares = shares.to(alphas[0])
    for alpha, name in zip(alphas, KINDS, strict=True):
        for edge in range(1 if kind == "published" else len(alpha)):
            if edge not in decided[name]:
                total = total + 0.5 * (alpha[edge].square() * shares).sum()
        if kind == "published":
            break
    return total


def remaining_macs(
    base: int, tables: dict[str, list[list[int]]], decided: dict[str, Decisions], space: CellSpace
) -> int:
    """Multiply-adds per image of a supernet with decisions, from the tables of `supernet_edge_macs`."""
    total = base
    for kind, table in tables.items():
        for edge, costs in enumerate(table):
            if edge not in decided[kind]:
                total += sum(costs)
            elif (name := decided[kind][edge]) is not None:
                total += costs[space.choices.index(name)]
    return total


class Sgas(SupernetSearch):
    """A search whose edges are decided one by one; decided edges cost one operation, pruned ones none."""

    options: SgasConfig

    def __init__(self, context: SearchContext, device: torch.device) -> None:
        self.space = space_of(context.space_name)
        self.columns = choices(self.space)
        self.decided: dict[str, Decisions] = {kind: {} for kind in KINDS}
        self.stored: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
        self.shares = parameter_shares(self.space)
        super().__init__(context, device)

    def make_net(self) -> Supernet:
        """The supernet with fresh weights and alphas, with pruned edges as the options say."""
        net = super().make_net()
        if self.options.pruned == "published":
            net.repeat_pruned()
        return net

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of what is left of the supernet on one image (C, H, W), forward."""
        base, tables = edge_macs(self.context.size.of_one_image(shape), self.cells)
        return remaining_macs(base, tables, self.decided, self.space)

    def learns_alphas(self, epoch: int) -> bool:
        """As the first order; not when every edge is decided: nothing depends on alphas then."""
        return super().learns_alphas(epoch) and self.decisions < self.options.decisions(self.space.name)

    def alpha_step(self, selection: Batch, train: Batch) -> float:
        """Adam on the undecided alphas with the penalty; decided ones keep their values (no decay, no momentum)."""
        loss = self.alpha_gradients(selection, train)
        alphas = self.net.alphas()
        if self.options.complexity != "none" and self.options.complexity_weight:
            term = complexity_term(list(alphas), self.decided, self.shares, self.options.complexity)
            if term.requires_grad:
                for alpha, extra in zip(alphas, torch.autograd.grad(term, alphas, allow_unused=True), strict=True):
                    if extra is not None:
                        assert alpha.grad is not None
                        alpha.grad.add_(extra, alpha=self.options.complexity_weight)
        # Adam moves a parameter without gradient too (momentum, decay); decided edges must keep their values
        before = [alpha.detach().clone() for alpha in alphas]
        self.adam.step()
        with torch.no_grad():
            for kind, alpha, old in zip(KINDS, alphas, before, strict=True):
                frozen = list(self.decided[kind])
                if frozen:
                    alpha[frozen] = old[frozen]
        return loss

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One pass, then the scores of all edges and, when it is time, a decision for each kind of cell."""
        batch = self.train.batch  # of this epoch; a decision at its end may make it larger
        row = super().epoch(epoch)
        row["batch"] = batch
        deciding = self.options.decides(epoch, self.space.name)
        for kind, alpha in zip(KINDS, self.net.alphas(), strict=True):
            scores = edge_scores(alpha, self.columns, self.stored[kind], self.options.criterion)
            # after scoring: stability compares with earlier epochs, not with this one
            self.stored[kind] = [*self.stored[kind], scores.p][-self.options.history_size :]
            for name in ("importance", "certainty", "stability", "score"):
                row[f"{name}_{kind}"] = [round(float(v), 9) for v in getattr(scores, name)]
            if deciding:
                self.decided[kind], (edge, operation) = decide(scores, self.decided[kind], self.space)
                row[f"decision_{kind}"] = [edge, operation]
        term = complexity_term(list(self.net.alphas()), self.decided, self.shares, self.options.complexity)
        row["complexity"] = float(term.detach()) * self.options.complexity_weight
        if deciding:
            self._decisions_made()
        for kind in KINDS:
            row[f"decided_{kind}"] = [[edge, name] for edge, name in self.decided[kind].items()]
            row[f"undecided_{kind}"] = len(edge_list(self.space.nodes)) - len(self.decided[kind])
        return row

    @property
    def decisions(self) -> int:
        """Decisions per kind of cell so far."""
        return sum(name is not None for name in self.decided["normal"].values())

    def _decisions_made(self) -> None:
        """The supernet skips what is decided, the meter counts what is left, batches grow where that is asked for."""
        for kind in KINDS:
            self.net.set_decisions(kind, self.decided[kind])
        self.count_macs()
        for name, part in (("train", self.context.weights), ("select", self.context.selection)):
            order: CyclingBatches = getattr(self, name)
            size = batch_of(self.options, self.decisions, len(part))
            if size != order.batch:
                # the next pass: in the present one the old batches would be cut at other places
                grown = CyclingBatches(len(part), size, order.seed)
                grown.load({"passed": order.passed + 1, "position": 0})
                setattr(self, name, grown)

    def discretised(self) -> CellsArchitecture:
        """The decisions; before the last one, what DARTS' rule would choose on the alphas as they are."""
        if any(len(self.decided[kind]) < len(edge_list(self.space.nodes)) for kind in KINDS):
            return discretise(self.space, *self.alphas())
        return architecture_of(self.space, self.decided["normal"], self.decided["reduce"])

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            **super().state(),
            "decided": {kind: [[edge, name] for edge, name in self.decided[kind].items()] for kind in KINDS},
            "stored": {kind: list(self.stored[kind]) for kind in KINDS},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.decided = {kind: {int(edge): name for edge, name in state["decided"][kind]} for kind in KINDS}
        self.stored = {kind: list(state["stored"][kind]) for kind in KINDS}
        # first: decisions change which parameters the supernet uses and how large the batches are
        if self.decisions:
            self._decisions_made()
        super().load(state)


def search(context: SearchContext) -> Architecture:
    """Search until every edge is decided; the decisions are the architecture."""
    epochs = context.options.total_epochs(context.space_name)
    # the schedule of the learning rate needs a number where the option is null
    planned = dataclasses.replace(context, options=context.options.model_copy(update={"epochs": epochs}))
    session = planned.open()
    note_kernels(planned)
    if planned.options.pruned == "published":
        planned.log.info["kernels"] += "; not from the first pruned edge on, whose cells run in plain form"
        logger.info("pruned: published, a replica: without compiled kernels from the first pruned edge on")
    engine = Sgas(planned, session.device)
    run_alone(engine, session)
    return engine.discretised().model_copy(update={"network": context.network_block()})
