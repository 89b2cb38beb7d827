"""DARTS: searches with each number of cells, discretises under each cap on skips, and chooses among the outcomes."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ContractError
from fernas.core.seeds import derive_seed
from fernas.learn.fit import Hooks, fit
from fernas.search._agreement import inherited_scores, score_trained
from fernas.search._supernet_options import remaining_operations, supernet_cost
from fernas.search._supernet_search import SupernetSearch, note_kernels, run_epochs
from fernas.search.context import SearchContext, SearchSession
from fernas.search.darts_first import DartsConfig
from fernas.spaces.complexity import macs
from fernas.spaces.networks import build_network
from fernas.spaces.supernet import limit_skips, make_supernet
from fernas.spaces.supernet.plain import Supernet


class Darts(SupernetSearch):
    """The first-order search; its options may change the cells of the supernet (ablations)."""

    options: DartsConfig

    def make_net(self) -> Supernet:
        """The supernet with fresh weights and alphas, on the operations that are not left out."""
        context, options = self.context, self.options
        sizes = (context.space_name, self.cells, context.network.channels, context.input_shape[0], len(context.classes))
        net = make_supernet(*sizes, options.form, nodes=options.nodes, stem=context.network.stem)
        for kind, kept in remaining_operations(context.space_name, options.nodes, options.without).items():
            net.keep_operations(kind, kept)
        return net

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the supernet on one image (C, H, W), forward."""
        size = self.context.size.of_one_image(shape)
        return supernet_cost(size, self.cells, self.options.nodes, self.options.without)


@dataclass(frozen=True)
class Candidate:
    """The architecture of a search under one setting of its choices: number of cells, cap on skips (None: any)."""

    cells: int
    cap: int | None
    architecture: CellsArchitecture


def search(context: SearchContext, method: type[Darts]) -> Architecture:
    """Search with each number of cells, discretise under each cap; inner validation chooses where there is a choice."""
    options: DartsConfig = context.options
    session = context.open()
    snapshots, state = session.snapshots, session.state
    note_kernels(context)
    done: list[dict[str, Any]] = list(state["done"]) if state else []
    for number, cells in enumerate(options.cell_choices(context.network)):
        if number < len(done):
            continue
        engine = method(context, session.device, cells)
        # a saved engine belongs to the first search that was not finished
        resume = state.get("engine") if state and number == len(done) else None
        normal, reduce = run_epochs(engine, session.history, snapshots.nested({"done": done}, "engine"), resume)
        done.append({"cells": cells, "normal": normal, "reduce": reduce})
        if options.agreement is not None:
            # now, while the engine holds the trained supernet: snapshots keep its alphas alone
            done[-1]["inherited"] = inherited_scores(engine.context, engine.net, session.device, engine.passes)
        snapshots.save({"done": done})
    if options.agreement is not None:
        score_trained(session, options.final_cells(done[0]["cells"]), done[0]["inherited"], {"done": done})
    candidates = [
        Candidate(entry["cells"], cap, limit_skips(context.space_name, entry["normal"], entry["reduce"], cap))
        for entry in done
        for cap in options.skip_choices()
    ]
    chosen = candidates[0] if len(candidates) == 1 else choose(session, candidates)
    return with_block(context, chosen)


def with_block(context: SearchContext, candidate: Candidate) -> CellsArchitecture:
    """The candidate's architecture with the size of its final network."""
    block = context.network_block(context.options.final_cells(candidate.cells))
    return candidate.architecture.model_copy(update={"network": block})


def choose(session: SearchSession, candidates: list[Candidate]) -> Candidate:
    """Train each distinct candidate shortly on the weights part; the best inner UAR wins (ties: the first)."""
    context = session.context
    if not len(context.inner_validation):
        raise ContractError("search: a list for cells or max_skips is chosen by inner validation, which has no samples")
    scores: dict[str, float] = {}
    best, best_score = candidates[0], -math.inf
    for candidate in candidates:
        architecture = with_block(context, candidate)
        key = architecture.model_dump_json()
        if key not in scores:  # two caps often lead to the same cells
            scores[key] = _inner_uar(session, architecture)
            row = {"choice": True, "cells": candidate.cells, "max_skips": candidate.cap, "inner_uar": scores[key]}
            session.history.add({**row, "spent_macs": context.budget.spent}, choice_inner_uar=scores[key])
        if scores[key] > best_score:
            best, best_score = candidate, scores[key]
    return best


def _inner_uar(session: SearchSession, architecture: CellsArchitecture) -> float:
    """The best inner UAR over the epochs of a short training; each candidate starts from the same seed."""
    context = session.context
    seed = derive_seed(context.seed, "choice")
    torch.manual_seed(derive_seed(seed, "init"))
    fitted = fit(
        build_network(architecture),
        context.weights,
        context.inner_validation,
        config=context.options.choice,
        classes=len(context.classes),
        seed=seed,
        device=session.device,
        hooks=Hooks(on_step=context.log.heartbeat),
    )
    per_image = macs(architecture)
    context.budget.spend(per_image, fitted.images)
    context.budget.spend(per_image, fitted.evaluated, backward=False)
    uar: float = max(row["inner_uar"] for row in fitted.rows)
    return uar
