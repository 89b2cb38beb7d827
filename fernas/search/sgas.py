"""SGAS (sequential greedy search, criteria 1 and 2), as Auto-FERNet runs it; on any space of cells."""

from fernas.core.architecture import Architecture
from fernas.search import _darts_config, _sgas_config
from fernas.search._sgas_config import SgasConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Search until every node has two decided inputs."""
    from fernas.search._sgas import search

    return search(context)


PLUGIN = SearchPlugin(
    "sgas",
    "SGAS, greedy search",
    SgasConfig,
    run,
    _darts_config.skip,
    budget=_sgas_config.budget,
    budget_exact=False,
)
