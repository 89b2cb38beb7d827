"""The plain recipe: each fold's network from scratch; inner validation chooses the epoch, and the rate if asked."""

from fernas.training.context import RecipePlugin, TrainContext
from fernas.training.rates import RateOptions


class PlainConfig(RateOptions):
    """The options of `fit`, `oracle_every`, and `lr_choices`."""


def run(context: TrainContext) -> float:
    """Train all folds of the shard."""
    from fernas.training._shard import fit_once, train_shard

    return train_shard(context, lambda start: fit_once(context, start, context.options))


PLUGIN = RecipePlugin("plain", "plain", PlainConfig, run)
