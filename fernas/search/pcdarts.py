"""PC-DARTS: a part of the channels goes through the mixed operations, edges have weights of their own."""

from fernas.core.architecture import Architecture
from fernas.search import _darts_config, _pcdarts_config
from fernas.search._pcdarts_config import PcdartsConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Search on partial channels."""
    from fernas.search._pcdarts import search

    return search(context)


PLUGIN = SearchPlugin(
    "pcdarts",
    "PC-DARTS, partial channels",
    PcdartsConfig,
    run,
    _darts_config.skip,
    budget=_pcdarts_config.budget,
)
