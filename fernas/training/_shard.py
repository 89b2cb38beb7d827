"""The folds of a shard one after another in one process; a finished model waits beside the checkpoint.

A fold's randomness derives from the shard's seed and the fold's number alone, so that folds do not influence each
other and their distribution over shards changes no result.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fernas.core.io import atomic_path
from fernas.core.seeds import derive_seed
from fernas.learn.config import FitConfig
from fernas.learn.fit import Fitted, Hooks, Relabel, Row, fit
from fernas.learn.history import History, Snapshots
from fernas.learn.runtime import Stopwatch, cost, prepare
from fernas.spaces.complexity import macs
from fernas.spaces.networks import build_network
from fernas.training.context import FoldTask, TrainContext

logger = logging.getLogger(__name__)
CURVES = ("loss", "accuracy", "lr", "inner_loss", "inner_uar", "inner_uf1")  # of an epoch's row, for tracking


@dataclass(frozen=True)
class FoldRun:
    """The training of one fold.

    Attributes:
        context: of the shard.
        task: the fold's samples and architecture.
        net: with its starting weights; ends with the chosen ones.
        seed: of this fold.
        device: where to compute.
        snapshots: where the fold's state is saved.
        resume: the state to continue from.
        history: of the whole shard.
    """

    context: TrainContext
    task: FoldTask
    net: nn.Module
    seed: int
    device: torch.device
    snapshots: Snapshots
    resume: dict[str, Any] | None
    history: History

    def fit(
        self,
        config: FitConfig,
        on_epoch: Callable[[Row, nn.Module], None] | None = None,
        relabel: Relabel | None = None,
        stop: Callable[[Row], bool] | None = None,
    ) -> Fitted:
        """`learn.fit` on this fold, continued from `resume`; without `on_epoch` each epoch is recorded."""
        return fit(
            self.net,
            self.task.train,
            self.task.inner,
            config=config,
            classes=len(self.context.classes),
            seed=self.seed,
            device=self.device,
            hooks=Hooks(
                snapshots=self.snapshots,
                resume=self.resume,
                on_epoch=on_epoch or self._record_and_copy,
                on_step=self.context.log.heartbeat,
                relabel=relabel,
                stop=stop,
            ),
        )

    def record(self, row: Row, about: dict[str, Any] | None = None, **curves: float | str) -> None:
        """Append an epoch's row to the history, with `about` before it, and its numbers and `curves` to tracking."""
        numbers = {
            "fold": float(self.task.fold),
            "epoch": float(row["epoch"]),
            **{name: row.get(name) for name in CURVES},
        }
        self.history.add({"fold": self.task.fold, **(about or {}), **row}, **{**numbers, **curves})

    def copy_weights(self, row: Row, net: nn.Module) -> None:
        """After an epoch (its row, and the network as it then is): store the weights if `oracle_every` asks for it."""
        every = self.context.options.oracle_every
        if every and (row["epoch"] + 1) % every == 0:
            save_weights(net, self.context.checkpoint.folder / f"fold{self.task.fold}@{row['epoch']}.safetensors")

    def _record_and_copy(self, row: Row, net: nn.Module) -> None:
        self.copy_weights(row, net)
        self.record(row)


def save_weights(net: nn.Module, path: Path) -> None:
    """All parameters and buffers of a network as safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def train_shard(context: TrainContext, fit_fold: Callable[[FoldRun], Fitted]) -> dict[str, Any]:
    """Train every fold with `fit_fold`, continuing after a kill, and write all models into one file.

    Returns:
        What it cost: seconds, peak memory, `macs` (multiply-accumulates, forward once and backward twice), and
        `choice_macs`, the part of them spent on trainings that were rejected.
    """
    device = prepare(context.seed, context.threads, context.device)
    history = History(context.history_path, context.log)
    watch = Stopwatch()
    progress: dict[str, Any] = {"done": [], "spent": 0.0, "choice": 0.0}
    snapshots = Snapshots(context.checkpoint, lambda: {"common": {"history": history.state(), "watch": watch.state()}})
    state = snapshots.load()
    if state is not None:
        history.load(state["common"]["history"])
        watch.load(state["common"]["watch"])
        progress = {"done": list(state["done"]), "spent": float(state["spent"]), "choice": float(state["choice"])}
        logger.info("training continues: folds %s are finished", progress["done"])
    for task in context.folds:
        path = _model_path(context, task.fold)
        # Without its file a finished fold is trained again: somebody may have cleared the work folder.
        if task.fold in progress["done"] and path.exists():
            continue
        # The state belongs to the fold that was running; those after it start afresh.
        running = state.get("fit") if state is not None and state.get("fold") == task.fold else None
        seed = derive_seed(context.seed, "fold", task.fold)
        torch.manual_seed(derive_seed(seed, "init"))  # starting weights come from torch's global generator
        net = build_network(task.architecture)
        inner = snapshots.nested({**progress, "fold": task.fold}, "fit")
        fitted = fit_fold(FoldRun(context, task, net, seed, device, inner, running, history))
        per_image = macs(task.architecture)
        progress = {
            "done": [*progress["done"], task.fold],
            "spent": progress["spent"] + per_image * (3 * fitted.images + fitted.evaluated),
            "choice": progress["choice"] + per_image * (3 * fitted.rejected_images + fitted.rejected_evaluated),
        }
        save_weights(net, path)
        snapshots.save(progress)
    _assemble(context)
    return {**cost(watch, progress["spent"], device), "choice_macs": progress["choice"]}


def _model_path(context: TrainContext, fold: int) -> Path:
    """Where a finished fold's weights wait until the shard is complete."""
    return context.checkpoint.folder / f"fold{fold}.safetensors"


def _assemble(context: TrainContext) -> None:
    models: dict[str, torch.Tensor] = {}
    for task in context.folds:
        copies = sorted(context.checkpoint.folder.glob(f"fold{task.fold}@*.safetensors"))
        for path in (_model_path(context, task.fold), *copies):
            for name, tensor in load_file(path).items():
                models[f"{path.stem}/{name}"] = tensor  # fold3/stem.0.weight, of a copy fold3@19/stem.0.weight
    with atomic_path(context.models_path) as temporary:
        save_file(models, temporary)
