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
class Source:
    """The weights of one fold of another run, by parameter name, and its class names in order."""

    path: Path
    weights: dict[str, Tensor]
    classes: list[str]


def read_source(context: TrainContext) -> Source:
    """The weights that the method starts from.

    Raises:
        ConfigError: the method names no run.
        ScienceError: that run has no model (it failed), or not of that fold.
    """
    if context.init_from is None:
        raise ConfigError("recipe finetune: needs methods.<name>.init_from, the run whose weights are taken")
    if not context.init_from.stat().st_size:
        raise ScienceError(f"{context.init_from}: holds no model; that training failed")
    prefix = f"fold{context.init_fold}/"
    with safe_open(context.init_from, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
        weights = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    if not weights:
        raise ScienceError(f"{context.init_from}: holds no model of fold {context.init_fold}")
    return Source(context.init_from, weights, list(context.init_classes))


@torch.no_grad()
def load_into(net: nn.Module, source: Source, classes: list[str], mapping: str) -> list[str]:
    """Load the source's weights; returns the classes whose output units keep their fresh weights.

    `by_name`: unit of class c from the source's unit of c, a class that the source does not know keeps the fresh unit
    of `net`; `by_position`: unit k from unit k, which needs as many classes.

    Raises:
        ScienceError: a layer other than the output does not fit, or `by_position` with another number of classes.
    """
    own = net.state_dict()
    if mapping == "by_position" and len(classes) != len(source.classes):
        raise ScienceError(f"{source.path}: has {len(source.classes)} classes, by_position needs {len(classes)}")
    new = [] if mapping == "by_position" else [name for name in classes if name not in source.classes]
    for name, value in own.items():
        if name not in source.weights:
            raise ScienceError(f"{source.path}: has no weights {name!r}; the networks differ")
        taken = source.weights[name]
        layer = name.rpartition(".")[0]
        if layer in OUTPUT_LAYERS and mapping == "by_name":
            if taken.shape[1:] != value.shape[1:]:
                raise ScienceError(
                    f"{source.path}: {name} has the shape {tuple(taken.shape)}, expected {tuple(value.shape)}"
                )
            for k, label in enumerate(classes):
                if label in source.classes:
                    value[k] = taken[source.classes.index(label)].to(value)
        elif taken.shape != value.shape:
            raise ScienceError(
                f"{source.path}: {name} has the shape {tuple(taken.shape)}, expected {tuple(value.shape)}"
            )
        else:
            value.copy_(taken)
    return new
