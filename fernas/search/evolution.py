"""Deep Evolution: a genetic algorithm picks a few face patches relative to the nose tip."""

from fernas.core.architecture import Architecture
from fernas.search import _patches_config
from fernas.search._patches_config import EvolutionConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Evolve genomes; fitness is read on the selection part alone."""
    from fernas.search._evolution import search

    return search(context)


PLUGIN = SearchPlugin(
    "evolution",
    "genetic algorithm",
    EvolutionConfig,
    run,
    _patches_config.skip,
    budget=_patches_config.budget,
    budget_exact=False,
)
