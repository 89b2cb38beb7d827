"""Differentiable search, second order: the alphas' gradient looks one weights step ahead (DARTS, equations 7 and 8)."""

from pydantic import Field

from fernas.core.architecture import Architecture
from fernas.search import darts_first
from fernas.search._supernet_options import skip
from fernas.search.context import SearchContext, SearchPlugin, SearchSize

LOOK_AHEAD_PASSES = 3  # over the weights batch in an alpha step: the look-ahead, then w+ and w-


class SecondOrderConfig(darts_first.DartsConfig):
    """As the first order, with the size of the finite difference."""

    epsilon: float = Field(default=0.01, gt=0, description="numerator of the finite difference's step")


def budget(options: SecondOrderConfig, size: SearchSize) -> float:
    """As the first order, and three more passes over the weights batch per alpha step."""
    return darts_first.budget(options, size, LOOK_AHEAD_PASSES)


def run(context: SearchContext) -> Architecture:
    """Search with the unrolled step."""
    from fernas.search._darts import search
    from fernas.search._darts_second import SecondOrder

    return search(context, SecondOrder)


PLUGIN = SearchPlugin(
    "darts_second",
    "DARTS search, second order",
    SecondOrderConfig,
    run,
    skip,
    budget=budget,
    cell_steps=darts_first.steps,
)
