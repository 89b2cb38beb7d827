"""One random architecture, none selected: its mean over several seeds is the worth of the space alone."""

from fernas.core.architecture import Architecture
from fernas.learn.config import Options
from fernas.search._supernet_options import skip
from fernas.search.context import SearchContext, SearchPlugin


class RandomMeanConfig(Options):
    """Nothing to set; `search_seeds` of the method is how many are drawn (at least 3 for a mean)."""


def run(context: SearchContext) -> Architecture:
    """Draw one architecture; looks at no sample."""
    from fernas.core.seeds import rng
    from fernas.spaces.sampling import random_architecture

    context.open(needs_samples=False)
    return random_architecture(context.space_name, rng(context.seed, "draw"), context.network_block())


PLUGIN = SearchPlugin("random_mean", "random, not selected", RandomMeanConfig, run, skip, uses_data=False)
