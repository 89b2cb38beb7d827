"""The plain recipe: each fold's network from scratch; inner validation chooses the epoch, and the rate if asked."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from fernas.learn.config import FitConfig
from fernas.training.context import OracleEvery, RecipePlugin, TrainContext

if TYPE_CHECKING:
    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldRun


class PlainConfig(FitConfig):
    """The options of `fit`, copies for `oracle_uar`, and a choice among learning rates."""

    oracle_every: OracleEvery = None
    lr_choices: tuple[float, ...] | None = Field(
        default=None,
        min_length=2,
        description="learning rates to choose among in each fold, by inner validation: UAR, of equals the lower loss; "
        "the choice counts towards the budget; null: lr alone",
    )

    @model_validator(mode="after")
    def _one_kind_of_choice(self) -> "PlainConfig":
        if self.lr_choices is None:
            return self
        if min(self.lr_choices) <= 0 or len(set(self.lr_choices)) < len(self.lr_choices):
            raise ValueError(f"lr_choices: expected different rates above 0, got {list(self.lr_choices)}")
        if self.oracle_every is not None:
            raise ValueError("give lr_choices or oracle_every, not both: copies belong to one training")
        return self

    @property
    def all_epochs(self) -> int:
        """As many with each rate."""
        return self.epochs * len(self.lr_choices or (self.lr,))


def run(context: TrainContext) -> dict[str, Any]:
    """Train all folds of the shard."""
    from fernas.training._shard import train_shard

    return train_shard(context, fit_fold)


def fit_fold(fold: "FoldRun") -> "Fitted":
    """Train one fold's network from the weights that it has, with `lr` or with each of `lr_choices`."""
    options: PlainConfig = fold.context.options
    if options.lr_choices is None:
        return fold.fit(options)
    from fernas.training._rates import fit_rates

    return fit_rates(fold, options)


PLUGIN = RecipePlugin("plain", "plain", PlainConfig, run)
