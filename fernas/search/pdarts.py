"""P-DARTS: three stages of growing depth, operations dropped between them, skip connections held back and counted."""

from fernas.core.architecture import Architecture
from fernas.search import _darts_config, _pdarts_config
from fernas.search._pdarts_config import PdartsConfig
from fernas.search.context import SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Search stage by stage."""
    from fernas.search._pdarts import search

    return search(context)


PLUGIN = SearchPlugin(
    "pdarts",
    "P-DARTS, progressive search",
    PdartsConfig,
    run,
    _darts_config.skip,
    budget=_pdarts_config.budget,
    budget_exact=False,
)
