"""What the training of one fold begins with, how it is fitted, what it tracks, and how its weights are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from fernas.core.io import atomic_path
from fernas.learn.config import FitConfig
from fernas.learn.fit import Fitted, fit
from fernas.learn.history import History, Snapshots
from fernas.training.context import FoldTask, TrainContext


@dataclass(frozen=True)
class FoldStart:
    """What the training of one fold begins with."""

    task: FoldTask
    net: nn.Module  # with its starting weights; ends with the chosen ones
    seed: int
    device: torch.device
    snapshots: Snapshots
    resume: dict[str, Any] | None  # the state to continue from
    history: History  # of the whole shard


def fit_from(
    context: TrainContext, start: FoldStart, config: FitConfig, on_epoch: Callable[[dict[str, Any], nn.Module], None]
) -> Fitted:
    """`fit` a fold's network from where it starts, with the shard's heartbeat."""
    return fit(
        start.net,
        start.task.train,
        start.task.inner,
        config=config,
        classes=len(context.classes),
        seed=start.seed,
        device=start.device,
        snapshots=start.snapshots,
        resume=start.resume,
        on_epoch=on_epoch,
        on_step=context.log.heartbeat,
    )


def epoch_metrics(fold: int, row: dict[str, Any]) -> dict[str, float | None]:
    """The numbers of an epoch's row that are tracked as curves."""
    names = ("loss", "accuracy", "lr", "inner_loss", "inner_uar", "inner_uf1")
    return {"fold": float(fold), "epoch": float(row["epoch"]), **{name: row.get(name) for name in names}}


def save_weights(net: nn.Module, path: Path) -> None:
    """All parameters and buffers of a network as safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)
