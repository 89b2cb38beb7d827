"""The choice of a learning rate by inner validation: each is tried from the same weights, and all of them are paid for.

The cost of the rejected rates is `choice_macs` in cost.json and joins `search_macs` in the tables: tuning is search.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from fernas.core.errors import ContractError, ScienceError
from fernas.learn.fit import Fitted, Row
from fernas.training._shard import FoldRun, save_weights

if TYPE_CHECKING:
    from fernas.training.plain import PlainConfig


def fit_rates(fold: FoldRun, options: "PlainConfig") -> Fitted:
    """Train a fold's network with each of `lr_choices` from its starting weights; it ends with the best one's.

    A rate with which the training fails (its loss is not finite) is rejected. Continues after a kill bit for bit.

    Raises:
        ContractError: there is no inner validation to choose by.
        ScienceError: the training fails with every rate.
    """
    assert options.lr_choices is not None
    number, net = fold.task.fold, fold.net
    if not len(fold.task.inner):
        raise ContractError(f"fold {number}: lr_choices are chosen by inner validation, which has no samples")
    start_weights = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    # The best weights so far are a file beside the checkpoint, which would hold a second copy of them in each save.
    best_path = fold.context.checkpoint.folder / f"fold{number}.best.safetensors"
    state = fold.resume or {"trials": [], "best": None}
    trials, best, running = list(state["trials"]), state["best"], state.get("fit")
    for lr in options.lr_choices[len(trials) :]:
        net.load_state_dict(start_weights)
        snapshots = fold.snapshots.nested({"trials": list(trials), "best": best}, "fit")
        trial = _try_rate(dataclasses.replace(fold, snapshots=snapshots, resume=running), options, lr)
        if "failed" not in trial and (best is None or _rank(trial) > _rank(trials[best])):
            save_weights(net, best_path)
            best = len(trials)
        running = None  # the saved state was that of the rate at which the job was killed
        trials.append(trial)
        fold.snapshots.save({"trials": list(trials), "best": best})
    if best is None:
        raise ScienceError(f"fold {number}: the training failed with every learning rate; {trials[-1]['failed']}")
    net.load_state_dict(load_file(best_path))
    chosen = trials[best]
    fold.history.add({"fold": number, "kind": "rates", "lr": chosen["lr"], "tried": trials})
    images, evaluated = (sum(trial[name] for trial in trials) for name in ("images", "evaluated"))
    return Fitted(
        chosen["epoch"],
        chosen["inner_uar"],
        images,
        evaluated,
        chosen["micro_batch"],
        rejected_images=images - chosen["images"],
        rejected_evaluated=evaluated - chosen["evaluated"],
    )


def _try_rate(fold: FoldRun, options: "PlainConfig", lr: float) -> dict[str, Any]:
    """Train with one rate; returns its line of the history's `tried`: scores and cost, or `failed` and cost."""
    finished = len((fold.resume or {}).get("rows", []))

    def on_epoch(row: Row, _: Any) -> None:
        nonlocal finished
        finished += 1
        fold.record(row, {"lr_choice": lr}, phase=f"lr {lr:g}")

    try:
        fitted = fold.fit(options.model_copy(update={"lr": lr}), on_epoch)
    except ScienceError as error:
        images, evaluated = finished * len(fold.task.train), finished * len(fold.task.inner)
        return {"lr": lr, "failed": str(error), "images": images, "evaluated": evaluated}
    row = fitted.rows[fitted.epoch]
    return {
        "lr": lr,
        "epoch": fitted.epoch,
        "inner_uar": row["inner_uar"],
        "inner_loss": row["inner_loss"],
        "images": fitted.images,
        "evaluated": fitted.evaluated,
        "micro_batch": fitted.micro_batch,
    }


def _rank(trial: dict[str, Any]) -> tuple[float, float]:
    return trial["inner_uar"], -trial["inner_loss"]
