"""The choice of a learning rate by inner validation: each is tried from the same weights, and all of them are paid for.

What the rates cost that were not kept stands in `cost.json` as `choice_macs`, and joins `search_macs` in the tables:
tuning is search.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from fernas.core.errors import ContractError, ScienceError
from fernas.training.oracle import OracleOptions

if TYPE_CHECKING:
    from torch import nn

    from fernas.learn.fit import Fitted
    from fernas.training._fold import FoldStart
    from fernas.training.context import TrainContext


class RateOptions(OracleOptions):
    """What recipes have that train a fold's network in one go."""

    lr_choices: tuple[float, ...] | None = Field(
        default=None,
        min_length=2,
        description="learning rates to choose among in each fold, by inner validation: UAR, of equals the lower loss; "
        "the choice counts towards the budget; null: lr alone",
    )

    @model_validator(mode="after")
    def _one_kind_of_choice(self) -> "RateOptions":
        if self.lr_choices is None:
            return self
        if min(self.lr_choices) <= 0 or len(set(self.lr_choices)) < len(self.lr_choices):
            raise ValueError(f"lr_choices: expected different rates above 0, got {list(self.lr_choices)}")
        if self.oracle_every is not None:
            raise ValueError("give lr_choices or oracle_every, not both: copies belong to one training")
        return self

    @property
    def trainings(self) -> int:
        """How often each fold's network is trained."""
        return len(self.lr_choices or (self.lr,))


def fit_rates(context: "TrainContext", start: "FoldStart", options: RateOptions) -> "Fitted":
    """Train a fold's network with each of `lr_choices` from its starting weights; it ends with the best one's.

    A rate with which the training fails (its loss is not finite) is out; continues after a kill bit for bit.

    Raises:
        ContractError: there is no inner validation to choose by.
        ScienceError: the training fails with every rate.
    """
    from safetensors.torch import load_file

    from fernas.learn.fit import Fitted
    from fernas.training._fold import epoch_metrics, fit_from, save_weights

    assert options.lr_choices is not None
    task, net, history = start.task, start.net, start.history
    if not len(task.inner):
        raise ContractError(f"fold {task.fold}: lr_choices are chosen by inner validation, which has no samples")
    first = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    best_path = context.checkpoint.folder / f"fold{task.fold}.best.safetensors"
    resume = start.resume or {"tried": [], "kept": None}
    tried, kept, running = list(resume["tried"]), resume["kept"], resume.get("fit")
    for lr in options.lr_choices[len(tried) :]:
        finished: list[dict[str, Any]] = []

        def on_epoch(row: dict[str, Any], _: "nn.Module", lr: float = lr, rows: list[Any] = finished) -> None:
            rows.append(row)
            history.add(
                {"fold": task.fold, "lr_choice": lr, **row}, **epoch_metrics(task.fold, row), phase=f"lr {lr:g}"
            )

        net.load_state_dict(first)
        entry: dict[str, Any] = {"lr": lr}
        try:
            inner = start.snapshots.nested({"tried": list(tried), "kept": kept}, "fit")
            begun = dataclasses.replace(start, snapshots=inner, resume=running)
            fitted = fit_from(context, begun, options.model_copy(update={"lr": lr}), on_epoch)
        except ScienceError as error:
            epochs = len((running or {}).get("rows", [])) + len(finished)
            entry |= {"failed": str(error), "images": epochs * len(task.train), "evaluated": epochs * len(task.inner)}
        else:
            row = fitted.rows[fitted.epoch]
            entry |= {"epoch": fitted.epoch, "inner_uar": row["inner_uar"], "inner_loss": row["inner_loss"]}
            entry |= {"images": fitted.images, "evaluated": fitted.evaluated, "micro_batch": fitted.micro_batch}
            if kept is None or _rank(entry) > _rank(tried[kept]):
                save_weights(net, best_path)
                kept = len(tried)
        running = None
        tried.append(entry)
        start.snapshots.save({"tried": list(tried), "kept": kept})
    if kept is None:
        raise ScienceError(f"fold {task.fold}: the training failed with every learning rate; {tried[-1]['failed']}")
    net.load_state_dict(load_file(best_path))
    chosen = tried[kept]
    history.add({"fold": task.fold, "kind": "rates", "lr": chosen["lr"], "tried": tried})
    images, evaluated = (sum(entry[name] for entry in tried) for name in ("images", "evaluated"))
    return Fitted(
        chosen["epoch"],
        chosen["inner_uar"],
        images,
        evaluated,
        chosen["micro_batch"],
        rejected_images=images - chosen["images"],
        rejected_evaluated=evaluated - chosen["evaluated"],
    )


def _rank(entry: dict[str, Any]) -> tuple[float, float]:
    return entry["inner_uar"], -entry["inner_loss"]


def kept_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a training history without the rates that were not kept; of a fold that still chooses, all."""
    kept = {row["fold"]: row["lr"] for row in rows if row.get("kind") == "rates"}
    return [row for row in rows if row.get("lr_choice") in (None, kept.get(row.get("fold"), row.get("lr_choice")))]
