"""Differentiable search, first order (xi = 0): alphas on the selection part, then weights on the weights part."""

from fernas.core.architecture import Architecture
from fernas.search import _darts_config
from fernas.search._darts_config import DartsConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Search with the first-order step."""
    from fernas.search._darts import FirstOrder, search

    return search(context, FirstOrder)


PLUGIN = SearchPlugin(
    "darts_first", "DARTS search, first order", DartsConfig, run, _darts_config.skip, budget=_darts_config.budget
)
