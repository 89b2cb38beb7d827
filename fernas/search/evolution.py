"""Deep Evolution: a genetic algorithm picks a few face patches relative to the nose tip."""

from typing import Literal

from pydantic import Field, model_validator

from fernas.core.architecture import Architecture
from fernas.search import _patch_options
from fernas.search._patch_options import PatchSearchConfig, skip
from fernas.search.context import SearchContext, SearchPlugin, SearchSize


class EvolutionConfig(PatchSearchConfig):
    """The genetic algorithm. None of these values is published; docs/methods/deep_evolution.md has their reasons."""

    objective: Literal["single", "nsga2"] = Field(
        default="single", description="one fitness, or NSGA-II on (UAR, parameters) of which the knee is taken"
    )
    population: int = Field(default=24, ge=2)
    generations: int = Field(default=25, ge=1, description="the random first one counts")
    tournament: int = Field(default=3, ge=2, description="genomes that compete to be a parent (NSGA-II: always 2)")
    elites: int | None = Field(
        default=2, ge=0, description="parents that survive with the children; null: parents and children compete"
    )
    crossover: float = Field(default=0.7, ge=0, le=1, description="probability that two parents share out patches")
    mutation: float = Field(default=0.2, ge=0, le=1, description="probability that a patch moves and changes size")
    step: float = Field(default=1 / 24, gt=0, description="standard deviation of a move (4 of 96 px)")
    replace: float = Field(default=0.05, ge=0, le=1, description="probability that a patch is drawn anew")
    resample: float = Field(default=0.1, ge=0, le=1, description="count variable: probability to lose or gain a patch")
    occlusions: int = Field(default=20, ge=0, description="random placements of the occlusion check; 0: no check")

    @model_validator(mode="after")
    def _elites(self) -> "EvolutionConfig":
        if self.elites is not None and self.elites >= self.population:
            raise ValueError(f"elites must be fewer than the population of {self.population}, got {self.elites}")
        return self

    @property
    def evaluations(self) -> int:
        """Genomes that are asked for in all."""
        return self.population * self.generations


def budget(options: EvolutionConfig, size: SearchSize) -> float:
    """Multiply-accumulates that the evaluations are expected to spend."""
    return _patch_options.budget(options, options.evaluations, size)


def run(context: SearchContext) -> Architecture:
    """Evolve genomes; fitness is read on the selection part alone."""
    from fernas.search._evolution import search

    return search(context)


PLUGIN = SearchPlugin("evolution", "genetic algorithm", EvolutionConfig, run, skip, budget=budget, budget_exact=False)
