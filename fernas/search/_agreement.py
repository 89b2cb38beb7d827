"""Whether a supernet's inherited weights rank cells as training does: random cells scored both ways.

Both scores are those of the selection part; cells are ranked as `random` chooses, by UAR, of equals by the lower loss.
With inherited weights a cell is the supernet whose edges are decided for its operations. BatchNorm's running statistics
of the mixed supernet are not those of one path through it. They are therefore computed anew for each cell, as the mean
over one pass of the weights part; nothing else changes.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from fernas.core.architecture import CellsArchitecture
from fernas.core.rank_agreement import rank_agreement, uar_ranks
from fernas.core.seeds import derive_seed
from fernas.learn.augment import evaluation_view
from fernas.learn.batches import epoch_batches
from fernas.learn.config import effective_batch
from fernas.learn.evaluate import evaluate
from fernas.learn.passes import Passes
from fernas.search._short_training import ShortTraining, train_and_score
from fernas.search.context import SearchContext, SearchSession
from fernas.search.darts_first import DartsConfig, agreement_cells, cell_macs
from fernas.spaces.cell_space import edge_list
from fernas.spaces.supernet import make_supernet
from fernas.spaces.supernet.plain import KINDS, Decisions, Supernet

Scores = dict[str, Any]


def decisions_of(cell: CellsArchitecture, kind: str) -> Decisions:
    """The decisions on the supernet's edges that leave this cell: {edge: operation, or None for a pruned one}."""
    edges = edge_list(cell.nodes)
    decided: dict[int, str | None] = dict.fromkeys(range(len(edges)))
    for position, (name, source) in enumerate(getattr(cell, kind)):
        decided[edges.index((position // 2, source))] = name
    return decided


def inherited_scores(context: SearchContext, supernet: Supernet, device: torch.device, passes: Passes) -> list[Scores]:
    """Selection scores of the cells with the weights of a finished search; works on a copy of its supernet.

    Args:
        context: the search's.
        supernet: as the search left it.
        device: where it runs.
        passes: how many samples go through at once.
    """
    options: DartsConfig = context.options
    classes, cells = len(context.classes), len(supernet.cells)
    sizes = (context.space_name, cells, supernet.channels, context.input_shape[0], classes)
    # building draws starting weights; the fork keeps the random numbers of the search where they were
    with torch.random.fork_rng(devices=[]):
        net = make_supernet(*sizes, "plain", nodes=supernet.nodes, stem=context.network.stem)
    net.load_state_dict(supernet.state_dict())
    net.to(device)
    scores = []
    for cell in agreement_cells(options, context.space_name):
        for kind in KINDS:
            net.set_decisions(kind, decisions_of(cell, kind))
        renew_statistics(net, context, device, passes)
        scores.append(evaluate(net, context.selection, options.augment, classes, device))
        per_image = cell_macs(cell, cells, context.size)
        context.budget.spend(per_image, len(context.weights) + len(context.selection), backward=False)
        context.log.heartbeat()
    return scores


@torch.no_grad()
def renew_statistics(net: nn.Module, context: SearchContext, device: torch.device, passes: Passes) -> None:
    """BatchNorm's running statistics become the means over the batches of one pass of the weights part."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # torch then averages over all batches alike
    options, part = context.options, context.weights
    net.train()
    for indices in epoch_batches(len(part), effective_batch(options, len(part)), _seed(context), 0):
        images = evaluation_view(part.batch(indices).to(device), options.augment)
        passes.run(len(indices), functools.partial(_forward, net, images))
    net.eval()


def _forward(net: nn.Module, images: Tensor, slices: list[slice]) -> None:
    for cut in slices:
        net(images[cut])


def _seed(context: SearchContext) -> int:
    return derive_seed(context.seed, "agreement")  # the same for each cell


def score_trained(session: SearchSession, cells: int | None, inherited: list[Scores], outer: dict[str, Any]) -> None:
    """Train each cell from scratch, and add a row for each and one for how the two scores agree to the history.

    Args:
        session: the search's; its saved state may hold cells that are trained already.
        cells: how many cells the trained networks have; None: `network.cells`.
        inherited: what `inherited_scores` gave.
        outer: the part of a snapshot that comes before this stage.
    """
    context, snapshots, state = session.context, session.snapshots, session.state or {}
    options: DartsConfig = context.options
    assert options.agreement is not None
    trained: list[Scores] = list(state.get("trained", []))
    running = state.get("fit")
    block = context.network_block(cells)
    for number, drawn in enumerate(agreement_cells(options, context.space_name)):
        if number < len(trained):
            continue
        inner = snapshots.nested({**outer, "trained": list(trained)}, "fit")
        architecture = drawn.model_copy(update={"network": block})
        job = ShortTraining(options.agreement, _seed(context), session.device, inner)
        outcome = train_and_score(context, architecture, job, running)
        running = None
        trained.append(outcome.scores)
        scores = {
            **{f"inherited_{name}": value for name, value in inherited[number].items()},
            **{f"trained_{name}": value for name, value in outcome.scores.items()},
        }
        row = {
            "agreement": number,
            "normal": [list(pair) for pair in drawn.normal],
            "reduce": [list(pair) for pair in drawn.reduce],
            "macs": outcome.macs,
            "train_loss": outcome.loss,
            **scores,
            "spent_macs": context.budget.spent,
        }
        tracked = ("inherited_uar", "trained_uar", "spent_macs")
        session.history.add(row, **{name: row[name] for name in tracked})
        # before the last snapshot, so that a resumed search has this row exactly once
        if len(trained) == len(inherited):
            agreed = rank_agreement(uar_ranks(inherited), uar_ranks(trained))
            row = {f"agreement_{name}": value for name, value in agreed.items()}
            session.history.add(row, **row)
        snapshots.save({**outer, "trained": trained})
