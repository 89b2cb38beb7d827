"""Weights of another run for a network with other classes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from fernas.core.errors import ConfigError, ScienceError
from fernas.training.context import TrainContext

OUTPUT_LAYERS = ("classifier", "aux.classifier")


@dataclass(frozen=True)
class OriginWeights:
    """The weights of one fold of another run, by parameter name, and its class names in order."""

    path: Path
    weights: dict[str, Tensor]
    classes: list[str]


def origin_weights(context: TrainContext, fold: int) -> OriginWeights:
    """The weights that a fold of the method starts from.

    Raises:
        ConfigError: the method names no run.
        ScienceError: that run has no model (it failed), or not of that fold.
    """
    origin = context.origin
    if origin is None:
        raise ConfigError("recipe finetune: needs methods.<name>.init_from, the run whose weights are taken")
    if not origin.models.stat().st_size:
        raise ScienceError(f"{origin.models}: holds no model; that training failed")
    number = fold if origin.fold is None else origin.fold
    prefix = f"fold{number}/"
    with safe_open(origin.models, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
        weights = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    if not weights:
        raise ScienceError(f"{origin.models}: holds no model of fold {number}")
    return OriginWeights(origin.models, weights, list(origin.classes))


@torch.no_grad()
def load_into(net: nn.Module, origin: OriginWeights, classes: list[str], mapping: str) -> list[str]:
    """Load the origin's weights; returns the classes whose output units keep their fresh weights.

    `by_name`: unit of class c from the origin's unit of c; a class that the origin does not know keeps the fresh unit
    of `net`. `by_position`: unit k from unit k, which needs equal numbers of classes.

    Raises:
        ScienceError: a layer other than the output does not fit, or `by_position` with another number of classes.
    """
    if mapping == "by_position" and len(classes) != len(origin.classes):
        raise ScienceError(f"{origin.path}: has {len(origin.classes)} classes, by_position needs {len(classes)}")
    new = [] if mapping == "by_position" else [name for name in classes if name not in origin.classes]
    for name, value in net.state_dict().items():
        if name not in origin.weights:
            raise ScienceError(f"{origin.path}: has no weights {name!r}; the networks differ")
        stored = origin.weights[name]
        by_class = mapping == "by_name" and name.rpartition(".")[0] in OUTPUT_LAYERS
        # an output layer matched by class may have another number of units, but units of the same width
        from_dim = 1 if by_class else 0
        if stored.shape[from_dim:] != value.shape[from_dim:]:
            raise ScienceError(
                f"{origin.path}: {name} has the shape {tuple(stored.shape)}, expected {tuple(value.shape)}"
            )
        if not by_class:
            value.copy_(stored)
            continue
        for k, label in enumerate(classes):
            if label in origin.classes:
                value[k] = stored[origin.classes.index(label)].to(value)
    return new
