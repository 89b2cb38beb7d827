"""Options of PC-DARTS, and what it will spend; importable without torch."""

import functools

from pydantic import Field

from fernas.core.config import NetworkConfig
from fernas.search._darts_config import SupernetConfig, seen, spend
from fernas.search.context import PartSizes


class PcdartsConfig(SupernetConfig):
    """Defaults are those of the PC-DARTS paper (search on CIFAR-10), where nothing else is said."""

    batch: int = Field(default=256, ge=1, description="largest batch of either half of a step")
    warmup_epochs: int = Field(default=15, ge=0, description="first epochs in which only the weights learn")
    lr: float = Field(default=0.1, gt=0, description="SGD on the weights, cosine to lr_min")
    lr_min: float = Field(default=0.0, ge=0)
    alpha_lr: float = Field(default=6e-4, gt=0, description="Adam on the alphas and on the weights of edges")
    share: int = Field(default=4, ge=1, description="K: one channel in K goes through the mixed operations")


@functools.cache
def partial_cost(
    space: str, network: NetworkConfig, input_shape: tuple[int, int, int], classes: int, share: int
) -> int:
    """Multiply-accumulates of the supernet with partial channels on one image, forward."""
    from fernas.spaces.complexity import supernet_macs

    sizes = (space, network.cells, network.channels)
    return supernet_macs(*sizes, input_shape, classes, stem=network.stem, share=share)


def budget(
    options: PcdartsConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """Multiply-accumulates of the search."""
    train = partial_cost(space, network, seen(options.augment, input_shape), classes, options.share)
    full = partial_cost(space, network, input_shape, classes, options.share)
    return spend(options, train, full, sizes)
