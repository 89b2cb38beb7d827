"""PC-DARTS: a part of the channels goes through the mixed operations, edges have weights of their own."""

from pydantic import Field

from fernas.core.architecture import Architecture
from fernas.search._supernet_options import MixedConfig, cell_steps, partial_cost, skip, spend, training_shape
from fernas.search.context import SearchContext, SearchPlugin, SearchSize


class PcdartsConfig(MixedConfig):
    """Defaults are those of the PC-DARTS paper (search on CIFAR-10), unless stated otherwise."""

    batch: int = Field(default=256, ge=1, description="largest batch of either half of a step")
    warmup_epochs: int = Field(default=15, ge=0, description="first epochs in which only the weights learn")
    lr: float = Field(default=0.1, gt=0, description="SGD on the weights, cosine to lr_min")
    lr_min: float = Field(default=0.0, ge=0)
    alpha_lr: float = Field(default=6e-4, gt=0, description="Adam on the alphas and on the weights of edges")
    share: int = Field(default=4, ge=1, description="K: one channel in K goes through the mixed operations")


def budget(options: PcdartsConfig, size: SearchSize) -> float:
    """Multiply-accumulates of the search."""
    train, full = (
        partial_cost(options.supernet_size(size).of_one_image(shape), options.share)
        for shape in (training_shape(options.augment, size.input_shape), size.input_shape)
    )
    return spend(options, train, full, size.parts)


def run(context: SearchContext) -> Architecture:
    """Search on partial channels."""
    from fernas.search._pcdarts import search

    return search(context)


PLUGIN = SearchPlugin(
    "pcdarts", "PC-DARTS, partial channels", PcdartsConfig, run, skip, budget=budget, cell_steps=cell_steps
)
