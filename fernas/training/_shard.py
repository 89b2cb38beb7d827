"""The folds of a shard one after another in one process, each finished model kept beside the checkpoint."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fernas.core.io import atomic_path
from fernas.core.seeds import derive_seed
from fernas.learn.fit import Fitted
from fernas.learn.history import History, Snapshots
from fernas.learn.runtime import Stopwatch, cost, prepare
from fernas.spaces.complexity import macs
from fernas.spaces.networks import build_network
from fernas.training._fold import FoldStart, epoch_metrics, fit_from, save_weights
from fernas.training.context import TrainContext
from fernas.training.rates import RateOptions, fit_rates

logger = logging.getLogger(__name__)
FitFold = Callable[[FoldStart], Fitted]


def fold_model_path(context: TrainContext, fold: int) -> Path:
    """Where a finished fold's weights wait until the shard is complete."""
    return context.checkpoint.folder / f"fold{fold}.safetensors"


def keep_copy(context: TrainContext, fold: int, row: dict[str, Any], net: nn.Module) -> None:
    """After an epoch (its row, and the network as it then is): keep the weights where `oracle_every` asks for it."""
    every = context.options.oracle_every
    if every and (row["epoch"] + 1) % every == 0:
        save_weights(net, context.checkpoint.folder / f"fold{fold}@{row['epoch']}.safetensors")


def train_shard(context: TrainContext, fit_fold: FitFold) -> float:
    """Train every fold with `fit_fold`, continuing after a kill, and write all models into one file.

    Returns:
        Multiply-accumulates spent, forward once and backward twice.
    """
    device = prepare(context.seed, context.threads, context.device)
    history = History(context.history_path, context.log)
    spent = choice = 0.0
    done: list[int] = []
    watch = Stopwatch()

    def common() -> dict[str, Any]:
        return {"common": {"history": history.state(), "watch": watch.state()}}

    snapshots = Snapshots(context.checkpoint, common)
    state = snapshots.load()
    if state is not None:
        history.load(state["common"]["history"])
        watch = Stopwatch(state["common"]["watch"])
        done, spent, choice = list(state["done"]), float(state["spent"]), float(state["choice"])
        logger.info("training continues: folds %s are finished", done)
    for task in context.folds:
        path = fold_model_path(context, task.fold)
        if task.fold in done and path.exists():
            continue
        running = state.get("fit") if state is not None and state.get("fold") == task.fold else None
        seed = derive_seed(context.seed, "fold", task.fold)
        torch.manual_seed(derive_seed(seed, "init"))
        net = build_network(task.architecture)
        outer = {"done": list(done), "spent": spent, "choice": choice, "fold": task.fold}
        fitted = fit_fold(FoldStart(task, net, seed, device, snapshots.nested(outer, "fit"), running, history))
        per_image = macs(task.architecture)
        spent += per_image * (3 * fitted.images + fitted.evaluated)
        choice += per_image * (3 * fitted.rejected_images + fitted.rejected_evaluated)
        save_weights(net, path)
        done.append(task.fold)
        snapshots.save({"done": list(done), "spent": spent, "choice": choice})
    _assemble(context)
    context.cost = {**cost(watch, spent, device), "choice_macs": choice}
    return spent


def fit_once(context: TrainContext, start: FoldStart, config: RateOptions) -> Fitted:
    """Train a fold's network in one go: `fit` with the shard's history, copies, snapshots and heartbeat.

    With `lr_choices` that happens once for each of them.
    """
    if config.lr_choices is not None:
        return fit_rates(context, start, config)

    def on_epoch(row: dict[str, Any], net: nn.Module) -> None:
        keep_copy(context, start.task.fold, row, net)
        start.history.add({"fold": start.task.fold, **row}, **epoch_metrics(start.task.fold, row))

    return fit_from(context, start, config, on_epoch)


def _assemble(context: TrainContext) -> None:
    models: dict[str, torch.Tensor] = {}
    for task in context.folds:
        copies = sorted(context.checkpoint.folder.glob(f"fold{task.fold}@*.safetensors"))
        for path in (fold_model_path(context, task.fold), *copies):
            for name, tensor in load_file(path).items():
                models[f"{path.stem}/{name}"] = tensor
    with atomic_path(context.models_path) as temporary:
        save_file(models, temporary)
