"""Whether a search went well, from its history and its genotype: entropy, skips, curvature, ranks, and warnings.

A differentiable search may collapse into skip connections (Zela et al. 2020) or hardly move its alphas. A score alone
does not show it, so the tables list the warnings beside the score.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fernas.core.io import is_number
from fernas.core.rank_agreement import FEWEST, rank_agreement, uar_ranks

SKIP = "skip_connect"
WITHOUT_WEIGHTS = frozenset({SKIP, "none", "max_pool_3x3", "avg_pool_3x3", "max_pool", "avg_pool", "identity"})
COLLAPSED_SHARE = 0.5
"""A normal cell with more than this share of skip connections counts as collapsed."""

UNMOVED = 0.01
"""Alphas whose mean entropy fell by less than this share of its first value count as undecided."""

AT_CHANCE = 0.5
"""With more than this share of candidates at or below chance (kappa <= 0), a choice among them is one of noise."""

CURVATURE_RISE = 4 / 3
"""Growth of the dominant eigenvalue that Zela et al. (2020, section 5.1) take for the sign of a bad minimum."""

CURVATURE_WINDOW = 5
"""Epochs over which that growth is measured, on means of as many epochs."""

MEANS = ("entropy_start", "entropy_end", "skips_normal", "skips_reduce", "operations", "curvature")
"""What is averaged over the searches of a method."""

MEASURES = (*MEANS, "kendall", "kendall_low", "kendall_high", "spearman", "agreement_cells")
"""Every number of a search's health."""


@dataclass(frozen=True)
class Health:
    """The health of one search.

    Attributes:
        entropy_start, entropy_end: mean entropy of softmax(alpha) over edges and both cells after the first and the
            last epoch, as a share of ln(operations), the entropy of the uniform distribution; 0 to 1.
        skips_normal, skips_reduce: skip connections among the operations of the searched cells.
        operations: operations of one searched cell (two per node).
        curvature: the last dominant eigenvalue of the selection loss in the alphas, where the search computed it.
        kendall, spearman: how well scores with inherited weights rank cells that were trained from scratch.
        kendall_low, kendall_high: 95 % interval of Kendall's tau by bootstrap over the cells.
        agreement_cells: the number of these cells, where the search scored some both ways.
        agreement: genotype (as json) -> the row of the history that scores it both ways.
        warnings: one sentence per problem.
    """

    entropy_start: float | None = None
    entropy_end: float | None = None
    skips_normal: int | None = None
    skips_reduce: int | None = None
    operations: int | None = None
    curvature: float | None = None
    kendall: float | None = None
    kendall_low: float | None = None
    kendall_high: float | None = None
    spearman: float | None = None
    agreement_cells: int | None = None
    agreement: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def search_health(history: Sequence[Mapping[str, Any]], architecture: Mapping[str, Any]) -> Health:
    """The health of one search.

    Args:
        history: rows of search.jsonl in order.
        architecture: json object of the searched architecture; one without cells has no skips.
    """
    entropies = [sum(shares) / len(shares) for row in history if (shares := list(entropy_shares(row).values()))]
    curvatures = [float(row["eig_max"]) for row in history if is_number(row.get("eig_max"))]
    normal, reduce = _names(architecture, "normal"), _names(architecture, "reduce")
    agreement = {json.dumps([row["normal"], row["reduce"]]): row for row in history if "inherited_uar" in row}
    health = Health(
        entropy_start=entropies[0] if entropies else None,
        entropy_end=entropies[-1] if entropies else None,
        skips_normal=normal.count(SKIP) if normal else None,
        skips_reduce=reduce.count(SKIP) if reduce else None,
        operations=len(normal) or None,
        curvature=curvatures[-1] if curvatures else None,
        agreement=agreement,
        **_ranks([agreement]),
    )
    # a greedy search fixes its edges one by one, so that the entropy of the others says nothing
    greedy = any("undecided_normal" in row for row in history)
    undecided = [] if greedy else _entropy_warnings(health)
    warnings = (*_cell_warnings(normal), *undecided, *_curvature_warning(curvatures), *_chance_warning(history))
    return replace(health, warnings=warnings)


def _names(architecture: Mapping[str, Any], cell: str) -> list[str]:
    return [str(pair[0]) for pair in architecture.get(cell) or ()] if architecture.get("kind") == "cells" else []


def _ranks(searches: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The agreement of ranks over the cells that all of these searches scored both ways, or nothing."""
    # a search without agreement (another option, or killed before it) must not empty the set of shared cells
    scored = [cells for cells in searches if cells]
    shared = [cell for cell in scored[0] if all(cell in cells for cells in scored)] if scored else []
    if len(shared) < FEWEST:
        return {}
    inherited, trained = (
        [
            uar_ranks([{name: cells[cell][f"{weights}_{name}"] for name in ("uar", "loss")} for cell in shared])
            for cells in scored
        ]
        for weights in ("inherited", "trained")
    )
    agreement = rank_agreement(inherited, trained)
    return {
        "kendall": agreement["kendall"],
        "kendall_low": agreement["low"],
        "kendall_high": agreement["high"],
        "spearman": agreement["spearman"],
        "agreement_cells": agreement["count"],
    }


def entropy_shares(row: Mapping[str, Any]) -> dict[str, float]:
    """Entropy of the alphas of each cell (`normal`, `reduce`) in a row of search.jsonl, divided by ln(operations).

    1 is the uniform distribution, 0 a decided cell. Empty where a row has no alphas.
    """
    shares = {}
    for cell in ("normal", "reduce"):
        entropy, alphas = row.get(f"entropy_{cell}"), row.get(f"alpha_{cell}")
        if entropy is not None and is_number(entropy) and alphas and len(alphas[0]) > 1:
            shares[cell] = float(entropy) / math.log(len(alphas[0]))
    return shares


def _cell_warnings(normal: Sequence[str]) -> list[str]:
    if not normal:
        return []
    skips = list(normal).count(SKIP)
    if skips > COLLAPSED_SHARE * len(normal):
        return [f"collapse: {skips} of {len(normal)} operations of the normal cell are skip connections"]
    if all(name in WITHOUT_WEIGHTS for name in normal):
        return ["collapse: no operation of the normal cell has weights"]
    return []


def _entropy_warnings(health: Health) -> list[str]:
    start, end = health.entropy_start, health.entropy_end
    if start is None or end is None or start <= 0 or (start - end) / start >= UNMOVED:
        return []
    return [f"alphas hardly decided: entropy {100 * end:.1f} % of uniform"]


def _chance_warning(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Candidates of a random search that predict no better than chance on the selection part: kappa <= 0."""
    kappas = [float(row["selection_kappa"]) for row in history if is_number(row.get("selection_kappa"))]
    at_chance = sum(kappa <= 0 for kappa in kappas)
    if at_chance <= AT_CHANCE * len(kappas):
        return []
    return [f"selected on noise: {at_chance} of {len(kappas)} candidates at or below chance on the selection part"]


def _curvature_warning(values: Sequence[float]) -> list[str]:
    """Zela et al.: the mean of the last epochs against that of some epochs before."""
    if len(values) <= CURVATURE_WINDOW:  # there are no two windows to compare
        return []
    smooth = np.convolve(values, np.ones(CURVATURE_WINDOW) / CURVATURE_WINDOW, mode="valid")
    before, last = float(smooth[max(0, len(smooth) - 1 - CURVATURE_WINDOW)]), float(smooth[-1])
    if before <= 0 or last <= CURVATURE_RISE * before:
        return []
    return [f"curvature rises: dominant eigenvalue {last:.3g} after {before:.3g}"]


def mean_health(searches: Sequence[Health]) -> Health:
    """The mean over the searches of a method; each kind of warning once, with the number of searches that give it.

    The agreement of ranks is the mean over the searches, its interval a bootstrap over the cells that all have scored.
    """

    def mean(name: str) -> Any:
        values = [getattr(health, name) for health in searches if getattr(health, name) is not None]
        return sum(values) / len(values) if values else None

    kinds: dict[str, list[str]] = {}
    for health in searches:
        for warning in health.warnings:
            # what stands before the colon is the kind, numbers come after it
            kinds.setdefault(warning.split(":")[0], []).append(warning)
    texts = []
    for kind, warnings in kinds.items():
        if len(searches) == 1:
            texts.append(warnings[0])
        else:
            texts.append(f"{kind} in {len(warnings)} of {len(searches)} searches")
    ranks = _ranks([health.agreement for health in searches])
    return Health(**{name: mean(name) for name in MEANS}, **ranks, warnings=tuple(texts))
