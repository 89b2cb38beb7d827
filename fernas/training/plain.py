"""The plain recipe: each fold's network from scratch, one learning rate, inner validation chooses the epoch."""

from typing import TYPE_CHECKING, Any

from fernas.training.context import FoldTask, RecipePlugin, TrainContext
from fernas.training.oracle import OracleOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from fernas.learn.fit import Fitted
    from fernas.learn.history import History, Snapshots


class PlainConfig(OracleOptions):
    """The options of `fit`, and `oracle_every`."""


def run(context: TrainContext) -> float:
    """Train all folds of the shard."""
    from fernas.training._shard import keep_copy, train_shard

    def fit_fold(
        task: FoldTask,
        net: "nn.Module",
        seed: int,
        device: "torch.device",
        snapshots: "Snapshots",
        resume: dict[str, Any] | None,
        history: "History",
    ) -> "Fitted":
        from fernas.learn.fit import fit

        def on_epoch(row: dict[str, Any], net: "nn.Module") -> None:
            keep_copy(context, task.fold, row, net)
            history.add({"fold": task.fold, **row}, **epoch_metrics(task.fold, row))

        return fit(
            net,
            task.train,
            task.inner,
            config=context.options,
            classes=len(context.classes),
            seed=seed,
            device=device,
            snapshots=snapshots,
            resume=resume,
            on_epoch=on_epoch,
            on_step=context.log.heartbeat,
        )

    return train_shard(context, fit_fold)


def epoch_metrics(fold: int, row: dict[str, Any]) -> dict[str, float | None]:
    """The numbers of an epoch's row that are tracked as curves."""
    names = ("loss", "accuracy", "lr", "inner_loss", "inner_uar", "inner_uf1")
    return {"fold": float(fold), "epoch": float(row["epoch"]), **{name: row.get(name) for name in names}}


PLUGIN = RecipePlugin("plain", "plain", PlainConfig, run)
