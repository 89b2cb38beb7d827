"""The control of evolution: as many random genomes, evaluated alike, the fittest is kept."""

from fernas.core.architecture import Architecture
from fernas.core.errors import ConfigError
from fernas.search import _patches_config
from fernas.search._patches_config import EvolutionConfig, RandomPatchesConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Draw, train and score; with `budget_from` an evolution, under its options and as often as it asks.

    Equal are the numbers of genomes; a genome that is drawn twice is trained once, as in evolution. The limit in
    multiply-accumulates, which would depend on the sizes of what is found, does not stop this search.
    """
    from fernas.search._evolution import random_search

    options, reference = context.options, context.reference
    if isinstance(reference, EvolutionConfig):
        return random_search(context, options.evaluations or reference.evaluations, reference)
    if options.evaluations is None:
        raise ConfigError("random_patches: needs search_options.evaluations, or budget_from an evolution")
    return random_search(context, options.evaluations, options)


PLUGIN = SearchPlugin(
    "random_patches",
    "random patches, as many evaluations",
    RandomPatchesConfig,
    run,
    _patches_config.skip,
    budget=_patches_config.budget,
    budget_exact=False,
)
