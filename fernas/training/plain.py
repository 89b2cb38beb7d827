"""The plain recipe: each fold's network from scratch, one learning rate, inner validation chooses the epoch."""

from fernas.training.context import RecipePlugin, TrainContext
from fernas.training.oracle import OracleOptions


class PlainConfig(OracleOptions):
    """The options of `fit`, and `oracle_every`."""


def run(context: TrainContext) -> float:
    """Train all folds of the shard."""
    from fernas.training._shard import fit_once, train_shard

    return train_shard(context, lambda start: fit_once(context, start, context.options))


PLUGIN = RecipePlugin("plain", "plain", PlainConfig, run)
