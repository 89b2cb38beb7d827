"""What the training of one fold begins with, what it tracks, and how its weights are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from fernas.core.io import atomic_path
from fernas.learn.history import History, Snapshots
from fernas.training.context import FoldTask


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


def epoch_metrics(fold: int, row: dict[str, Any]) -> dict[str, float | None]:
    """The numbers of an epoch's row that are tracked as curves."""
    names = ("loss", "accuracy", "lr", "inner_loss", "inner_uar", "inner_uf1")
    return {"fold": float(fold), "epoch": float(row["epoch"]), **{name: row.get(name) for name in names}}


def save_weights(net: nn.Module, path: Path) -> None:
    """All parameters and buffers of a network as safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)
