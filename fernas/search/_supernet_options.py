"""What all gradient-based searches set, and what a supernet costs; importable without torch."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from fernas.core.config import NetworkConfig
from fernas.core.errors import ConfigError
from fernas.learn.config import AugmentConfig, BatchOptions, Schedule, batches_per_epoch, crop_size, effective_batch
from fernas.search.context import PartSizes, SearchSize

CELL_SPACES_ONLY = "a differentiable search needs a space of cells with operations on edges"


class SupernetConfig(BatchOptions):
    """What every gradient-based search sets; defaults are those of public DARTS code, unless stated otherwise."""

    epochs: int = Field(default=50, ge=1)
    batch: int = Field(default=64, ge=1, description="largest batch of either half of a step")
    warmup_epochs: int = Field(default=0, ge=0, description="first epochs in which only the weights learn")
    lr: float = Field(default=0.025, gt=0, description="SGD on the weights, cosine to lr_min")
    lr_min: float = Field(default=0.001, ge=0)
    schedule: Schedule = "cosine"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-4, ge=0)
    clip: float = Field(default=5.0, gt=0, description="largest norm of the weights' gradient")
    alpha_lr: float = Field(default=3e-4, gt=0, description="Adam on the alphas")
    alpha_betas: tuple[float, float] = (0.5, 0.999)
    alpha_weight_decay: float = Field(default=1e-3, ge=0)
    class_weights: Literal["none", "balanced"] = "none"
    augment: AugmentConfig = AugmentConfig()
    form: Literal["fast", "plain"] = Field(default="fast", description="form of the supernet; plain is the reference")
    validate_every: int = Field(default=1, ge=1, description="epochs between inner-validation scores")
    search_cells: int | None = Field(
        default=None, ge=1, description="cells of the supernet where they differ from the final network's"
    )
    search_channels: int | None = Field(
        default=None, ge=1, description="channels of the supernet where they differ from the final network's"
    )

    def supernet_network(self, network: NetworkConfig) -> NetworkConfig:
        """The size of the supernet of a method whose final network has the size `network`."""
        sizes = {"cells": self.search_cells, "channels": self.search_channels}
        return network.model_copy(update={name: value for name, value in sizes.items() if value is not None})

    def supernet_size(self, size: SearchSize) -> SearchSize:
        """The same search with the size of its supernet instead of the final network's."""
        return dataclasses.replace(size, network=self.supernet_network(size.network))


class MixedConfig(SupernetConfig):
    """Of the searches whose edges stay mixed to the last epoch: the curvature in their alphas can be followed."""

    curvature_every: int = Field(
        default=0, ge=0, description="epochs between dominant Hessian eigenvalues of the alphas; 0: never"
    )
    curvature_steps: int = Field(default=8, ge=1, description="power iterations of each, two gradients a step")

    def measures_curvature(self, epoch: int) -> bool:
        """Whether the dominant eigenvalue is computed after an epoch: each n-th, and the last."""
        every = self.curvature_every
        return every > 0 and ((epoch + 1) % every == 0 or epoch + 1 == self.epochs)


def skip(space: str | None) -> str | None:
    """Why a gradient-based search makes no sense on a space, or None."""
    from fernas.core import plugins
    from fernas.spaces.cell_space import CellSpace

    if space is None or not isinstance(plugins.load("spaces", space), CellSpace):
        return CELL_SPACES_ONLY
    return None


def spend(options: MixedConfig, train: float, full: float, parts: PartSizes, look_ahead_passes: int = 0) -> float:
    """Multiply-accumulates of one search.

    Per epoch: the weights part once and as many selection batches, forward and backward (3 x forward), and inner
    validation forward.

    Args:
        options: of the search.
        train: multiply-accumulates of the supernet on one training image, forward.
        full: on one image in its full size, forward.
        parts: number of samples of each part.
        look_ahead_passes: further passes over the weights batch in each alpha step (second order).
    """
    unrolled = look_ahead_passes * parts.weights * max(0, options.epochs - options.warmup_epochs)
    images = options.epochs * parts.weights + selection_images(options, parts) + unrolled
    curvature = 2 * options.curvature_steps * curvature_batch(options, parts.selection)
    curvature *= sum(options.measures_curvature(epoch) for epoch in range(options.epochs))
    # rounded up, since the last epoch is validated too
    validations = -(-options.epochs // options.validate_every)
    return 3 * (train * images + full * curvature) + full * validations * parts.inner_validation


def cell_steps(options: SupernetConfig, size: SearchSize, cells: Iterable[int] = ()) -> int:
    """Steps of the supernet's weights times its cells, over supernets of so many `cells` one after another."""
    depths = list(cells) or [options.supernet_network(size.network).cells]
    return options.epochs * batches_per_epoch(options, size.parts.weights) * sum(depths)


def selection_images(options: SupernetConfig, parts: PartSizes) -> int:
    """How many selection images the alpha steps of a search take: as many batches as weight steps, cycling."""
    steps = batches_per_epoch(options, parts.weights) * max(0, options.epochs - options.warmup_epochs)
    in_pass = batches_per_epoch(options, parts.selection)
    batch = -(-parts.selection // in_pass)
    larger = parts.selection - (batch - 1) * in_pass  # np.array_split: the first batches are the larger ones
    rest = steps % in_pass
    return (steps // in_pass) * parts.selection + rest * (batch - 1) + min(rest, larger)


def curvature_batch(options: SupernetConfig, selection: int) -> int:
    """How many selection samples the dominant eigenvalue is computed on."""
    return min(effective_batch(options, selection), selection)


def training_shape(augment: AugmentConfig, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape (C, h, w) of an image in training, after the crop."""
    return (input_shape[0], *crop_size(augment, *input_shape[1:]))


# The three functions below build a supernet to count its multiply-accumulates, which takes about a second; their
# argument `size` is of one image, so that searches on parts of different sizes share an entry of the cache.


@functools.cache
def supernet_cost(size: SearchSize, cells: int, nodes: int | None = None, without: tuple[str, ...] = ()) -> int:
    """Multiply-accumulates of the supernet on one image, forward."""
    from fernas.spaces.complexity import supernet_macs

    sizes = (size.space, cells, size.network.channels, size.input_shape, size.classes)
    return supernet_macs(
        *sizes, nodes=nodes, stem=size.network.stem, operations=remaining_operations(size.space, nodes, without)
    )


@functools.cache
def partial_cost(size: SearchSize, share: int) -> int:
    """Multiply-accumulates of the supernet with partial channels (one in `share`) on one image, forward."""
    from fernas.spaces.complexity import partial_supernet_macs

    sizes = (size.space, size.network.cells, size.network.channels, size.input_shape, size.classes)
    return partial_supernet_macs(*sizes, size.network.stem, share)


@functools.cache
def edge_macs(size: SearchSize, cells: int) -> tuple[int, dict[str, list[list[int]]]]:
    """`supernet_edge_macs` of one image; the tables are shared, not to be changed."""
    from fernas.spaces.complexity import supernet_edge_macs

    sizes = (size.space, cells, size.network.channels, size.input_shape, size.classes)
    return supernet_edge_macs(*sizes, stem=size.network.stem)


def remaining_operations(
    space: str, nodes: int | None, without: tuple[str, ...]
) -> dict[str, dict[int, tuple[str, ...]]]:
    """The operations that stay on each edge of each kind of cell when some are left out everywhere.

    Raises:
        ConfigError: the space does not have one of them, or none is left.
    """
    from fernas.spaces.cell_space import edge_list, space_of

    cell_space = space_of(space)
    for name in without:
        cell_space.require(name, "search_options.without")
    left = tuple(name for name in cell_space.operations if name not in without)
    if not set(left) - {"none"}:
        raise ConfigError("search_options.without: no operation is left")
    if not without:
        return {}
    edges = range(len(edge_list(nodes or cell_space.nodes)))
    return {kind: dict.fromkeys(edges, left) for kind in ("normal", "reduce")}
