"""The baseline of evolution: as many random genomes, evaluated alike, of which the fittest wins."""

from pydantic import Field

from fernas.core.architecture import Architecture
from fernas.core.errors import ConfigError
from fernas.search import _patch_options
from fernas.search._patch_options import PatchSearchConfig, skip
from fernas.search.context import SearchContext, SearchPlugin, SearchSize
from fernas.search.evolution import EvolutionConfig


class RandomPatchesConfig(PatchSearchConfig):
    """`budget_from` an evolution takes everything over from it: the number of genomes, the limits, the training."""

    evaluations: int | None = Field(default=None, ge=1, description="genomes that are drawn; null: as budget_from's")

    def required_evaluations(self) -> int:
        """The number of genomes that the options give.

        Raises:
            ConfigError: they give none.
        """
        if self.evaluations is None:
            raise ConfigError("random_patches: needs search_options.evaluations, or budget_from an evolution")
        return self.evaluations


def budget(options: RandomPatchesConfig, size: SearchSize) -> float:
    """Multiply-accumulates that the evaluations are expected to spend."""
    return _patch_options.budget(options, options.required_evaluations(), size)


def run(context: SearchContext) -> Architecture:
    """Draw, train and score; with `budget_from` an evolution, under its options and as often as it evaluates.

    The numbers of genomes are equal; a genome that is drawn twice is trained once, as in evolution. The limit in
    multiply-accumulates, which would depend on the sizes of the genomes, does not stop this search.
    """
    from fernas.search._random_patches import random_search

    options, reference = context.options, context.reference
    if isinstance(reference, EvolutionConfig):
        return random_search(context, options.evaluations or reference.evaluations, reference)
    return random_search(context, options.required_evaluations(), options)


PLUGIN = SearchPlugin(
    "random_patches",
    "random patches, as many evaluations",
    RandomPatchesConfig,
    run,
    skip,
    budget=budget,
    budget_exact=False,
)
