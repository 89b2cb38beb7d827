"""Train one candidate of a search shortly on the weights part, and score it on the selection part."""

from dataclasses import dataclass
from typing import Any

import torch

from fernas.core.architecture import Architecture
from fernas.core.seeds import derive_seed
from fernas.learn.arrays import ArrayPart
from fernas.learn.config import FitConfig
from fernas.learn.evaluate import evaluate
from fernas.learn.fit import Hooks, fit
from fernas.learn.history import Snapshots
from fernas.search.context import SearchContext
from fernas.spaces.complexity import macs
from fernas.spaces.networks import build_network


@dataclass(frozen=True)
class ShortTraining:
    """How candidates are trained: options, the seed (the same for each), where, and where a training saves."""

    config: FitConfig
    seed: int
    device: torch.device
    snapshots: Snapshots


@dataclass(frozen=True)
class Trained:
    """What became of a candidate.

    Attributes:
        scores: loss, accuracy, uar and uf1 on the selection part.
        loss: of its last epoch on the weights part.
        macs: per image, forward.
    """

    scores: dict[str, Any]
    loss: float
    macs: int


def train_and_score(
    context: SearchContext, architecture: Architecture, training: ShortTraining, resume: dict[str, Any] | None
) -> Trained:
    """Train from scratch; the last epoch counts, so that the selection part alone ranks the candidates.

    `resume` is the saved state of an interrupted training of this candidate, or None.
    """
    config = training.config
    torch.manual_seed(derive_seed(training.seed, "init"))
    net = build_network(architecture)
    # no inner validation: it must take no part in the choice among candidates
    nothing = ArrayPart(context.weights.source, context.weights.rows[:0], context.weights.labels[:0], [], [])
    fitted = fit(
        net,
        context.weights,
        nothing,
        config=config.model_copy(update={"select": "last"}),
        classes=len(context.classes),
        seed=training.seed,
        device=training.device,
        hooks=Hooks(snapshots=training.snapshots, resume=resume, on_step=context.log.heartbeat),
    )
    scores = evaluate(net, context.selection, config.augment, len(context.classes), training.device)
    per_image = macs(architecture)
    context.budget.spend(per_image, fitted.images)
    context.budget.spend(per_image, len(context.selection), backward=False)
    return Trained(scores, float(fitted.rows[-1]["loss"]), per_image)
