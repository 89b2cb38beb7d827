"""Fine-tuning of another run's network: classes are matched by name, output units of new classes keep fresh weights."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.learn.config import AugmentConfig
from fernas.training.context import RecipePlugin, TrainContext
from fernas.training.plain import PlainConfig, fit_fold

if TYPE_CHECKING:
    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldRun


class FineTuneConfig(PlainConfig):
    """Defaults are those of Auto-FERNet's fine-tuning on CK48."""

    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=64, ge=1, description="largest batch")
    lr: float = Field(default=0.01, gt=0, description="published README; its script's default was 0.01794073")
    drop_path_start: float = Field(
        default=0.2 * 223 / 600, ge=0, lt=1, description="published: 0.2 (epoch + 223) / 600"
    )
    drop_path: float = Field(default=0.2 * 283 / 600, ge=0, lt=1, description="reached at the last epoch")
    augment: AugmentConfig = Field(
        default=AugmentConfig(padding=0, crop=44, rotation_deg=0.0, brightness=0.5, contrast=0.5, scale="unit"),
        description="crop 44 of 48, flip, jitter 0.5; floats in [0, 1], as in the training that is taken over",
    )
    classes: Literal["by_name", "by_position"] = Field(
        default="by_name",
        description="by_position: output unit k serves class k whatever its name (the published replica)",
    )
    zero_shot: bool = Field(default=False, description="no training at all: the other run's network as it is")

    @property
    def all_epochs(self) -> int:
        """None without training."""
        return 0 if self.zero_shot else super().all_epochs


def run(context: TrainContext) -> dict[str, Any]:
    """Fine-tune, or take over, the network for every fold.

    Each fold starts from the same weights of another task, or from those of its own fold in a run of the same folds.
    """
    from fernas.training._shard import train_shard
    from fernas.training._transfer import load_into, origin_weights

    options: FineTuneConfig = context.options

    def fit_from_origin(fold: "FoldRun") -> "Fitted":
        from fernas.learn.fit import Fitted

        origin = origin_weights(context, fold.task.fold)
        new = load_into(fold.net, origin, context.classes, options.classes)
        # a fold that continues has this row in its history, and `fit` puts its saved weights over these
        if fold.resume is None:
            start = {"kind": "start", "new_units": new, "zero_shot": options.zero_shot}
            fold.history.add({"fold": fold.task.fold, **start})
        return Fitted() if options.zero_shot else fit_fold(fold)

    return train_shard(context, fit_from_origin)


PLUGIN = RecipePlugin("finetune", "fine-tuned from another run", FineTuneConfig, run)
