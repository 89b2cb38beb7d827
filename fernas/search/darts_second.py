"""Differentiable search, second order: the alphas' gradient looks one weights step ahead (DARTS, equations 7 and 8)."""

from fernas.core.architecture import Architecture
from fernas.core.config import NetworkConfig
from fernas.search import _darts_config
from fernas.search._darts_config import SecondOrderConfig
from fernas.search.context import PartSizes, SearchContext, SearchPlugin


def run(context: SearchContext) -> Architecture:
    """Search with the unrolled step."""
    from fernas.search._darts import search
    from fernas.search._unrolled import SecondOrder

    return search(context, SecondOrder)


def budget(
    options: SecondOrderConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """As the first order, and three more passes over the weights batch per alpha step (look-ahead, w+, w-)."""
    return _darts_config.budget(options, space, network, classes, input_shape, sizes, look_ahead_passes=3)


PLUGIN = SearchPlugin(
    "darts_second", "DARTS search, second order", SecondOrderConfig, run, _darts_config.skip, budget=budget
)
