"""One random architecture, none selected: over its seeds it says what the space alone is worth."""

from fernas.core.architecture import Architecture
from fernas.core.config import NetworkConfig
from fernas.learn.config import Options
from fernas.search import _darts_config
from fernas.search.context import PartSizes, SearchContext, SearchPlugin


class RandomMeanConfig(Options):
    """Nothing to set; `search_seeds` of the method says how many are drawn (at least 3 for a mean)."""


def run(context: SearchContext) -> Architecture:
    """Draw one architecture; looks at no sample."""
    from fernas.core.seeds import rng
    from fernas.spaces.sampling import random_architecture

    context.open()
    return random_architecture(context.space_name, rng(context.seed, "draw"), context.network_block())


def budget(
    options: RandomMeanConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """Nothing is spent."""
    return 0.0


PLUGIN = SearchPlugin(
    "random_mean", "random, not selected", RandomMeanConfig, run, _darts_config.skip, uses_data=False, budget=budget
)
