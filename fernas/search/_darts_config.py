"""Options of the differentiable searches, and what they will spend; importable without torch."""

import dataclasses
import functools
from typing import Literal

from pydantic import Field, field_validator, model_validator

from fernas.core.architecture import CellsArchitecture
from fernas.core.config import NetworkConfig
from fernas.core.errors import ConfigError
from fernas.core.rank_agreement import FEWEST
from fernas.core.seeds import rng
from fernas.learn.config import (
    AugmentConfig,
    BatchOptions,
    FitConfig,
    batches_per_epoch,
    crop_size,
    effective_batch,
)
from fernas.search.context import PartSizes

CELL_SPACES_ONLY = "a differentiable search needs a space of cells with operations on edges"


class SupernetConfig(BatchOptions):
    """What all differentiable searches set; defaults are those of public DARTS code, if nothing else is said."""

    epochs: int = Field(default=50, ge=1)
    batch: int = Field(default=64, ge=1, description="largest batch of either half of a step")
    warmup_epochs: int = Field(default=0, ge=0, description="first epochs in which only the weights learn")
    lr: float = Field(default=0.025, gt=0, description="SGD on the weights, cosine to lr_min")
    lr_min: float = Field(default=0.001, ge=0)
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
    curvature_every: int = Field(
        default=0, ge=0, description="epochs between dominant Hessian eigenvalues of the alphas; 0: never"
    )
    curvature_steps: int = Field(default=8, ge=1, description="power iterations of each, two gradients a step")


class AgreementConfig(FitConfig):
    """Cells drawn at random that are scored twice: with the supernet's weights, and trained from scratch."""

    cells: int = Field(default=12, ge=FEWEST, description="how many; the same ones in every search of a space")
    epochs: int = Field(default=15, ge=1, description="of each cell's training on the weights part")
    batch: int = Field(default=32, ge=1, description="largest batch")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="probability reached at the last epoch")
    select: Literal["last"] = Field(default="last", description="no other part may choose an epoch")


class DartsConfig(SupernetConfig):
    """With choices by inner validation: of the number of cells, and of the cap on skip connections."""

    cells: int | tuple[int, ...] | None = Field(
        default=None, description="number of cells; a list: chosen by inner validation; null: network.cells"
    )
    max_skips: int | None | tuple[int | None, ...] = Field(
        default=None,
        description="largest number of skip connections in the normal cell; a list: chosen by inner validation",
    )
    search_cells: int | None = Field(
        default=None, ge=1, description="cells of the supernet where they differ from the final network's (an ablation)"
    )
    nodes: int | None = Field(default=None, ge=1, le=6, description="inner nodes of a cell; null: the space's own")
    without: tuple[str, ...] = Field(default=(), description="operations of the space that are left out (an ablation)")
    choice: FitConfig = Field(
        default=FitConfig(epochs=20, batch=32, drop_path=0.0),
        description="short training of each candidate where `cells` or `max_skips` is a list",
    )
    agreement: AgreementConfig | None = Field(
        default=None,
        description="after the search, whether inherited weights rank random cells as training does; null: not asked",
    )

    @field_validator("cells", "max_skips")
    @classmethod
    def _check(cls, value: object) -> object:
        values = value if isinstance(value, tuple) else (value,)
        if not values:
            raise ValueError("a list to choose from must not be empty")
        if any(v is not None and (not isinstance(v, int) or v < 0) for v in values):
            raise ValueError("expected numbers >= 0")
        if len(set(values)) != len(values):
            raise ValueError("a list to choose from must not repeat a value")
        return value

    @model_validator(mode="after")
    def _one_depth(self) -> "DartsConfig":
        if self.cells is not None and self.search_cells is not None:
            raise ValueError("give cells (searched and final) or search_cells (searched only), not both")
        if self.agreement is not None and isinstance(self.cells, tuple):
            raise ValueError("agreement is about one supernet: give one number of cells with it, not a list")
        return self

    def cell_choices(self, network: NetworkConfig) -> tuple[int, ...]:
        """The numbers of cells to search with."""
        if self.search_cells is not None:
            return (self.search_cells,)
        if self.cells is None:
            return (network.cells,)
        return self.cells if isinstance(self.cells, tuple) else (self.cells,)

    def final_cells(self, searched: int) -> int | None:
        """The cells of the final network after a search with so many: as many, or None for network.cells."""
        return None if self.search_cells is not None else searched

    def skip_choices(self) -> tuple[int | None, ...]:
        """The caps on skip connections to discretise with."""
        return self.max_skips if isinstance(self.max_skips, tuple) else (self.max_skips,)


class SecondOrderConfig(DartsConfig):
    """As the first order, with the size of the finite difference."""

    epsilon: float = Field(default=0.01, gt=0, description="numerator of the finite difference's step")


def skip(space: str | None) -> str | None:
    """Why a differentiable search makes no sense on a space, or None."""
    from fernas.core import plugins
    from fernas.spaces.cell_space import CellSpace

    if space is None or not isinstance(plugins.load("spaces", space), CellSpace):
        return CELL_SPACES_ONLY
    return None


def validations(options: SupernetConfig) -> int:
    """How often the supernet is scored on inner validation."""
    return -(-options.epochs // options.validate_every)


def budget(
    options: DartsConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
    look_ahead_passes: int = 0,
) -> float:
    """Multiply-accumulates of the searches over all numbers of cells (a choice among candidates aside).

    Per epoch: the weights part once forward and backward, as many selection batches, and inner validation forward.
    """
    total = 0.0
    for cells in options.cell_choices(network):
        train, full = (
            supernet_cost(space, cells, network, shape, classes, options.nodes, options.without)
            for shape in (seen(options.augment, input_shape), input_shape)
        )
        total += spend(options, train, full, sizes, look_ahead_passes)
    return total + agreement_macs(options, space, network, classes, input_shape, sizes)


def agreement_macs(
    options: DartsConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """Multiply-accumulates of scoring the cells of `agreement` twice."""
    if options.agreement is None:
        return 0.0
    searched = options.cell_choices(network)[0]
    total = 0.0
    for cell in agreement_cells(options, space):
        inherited, trained = (
            cell_macs(cell, cells, network, classes, input_shape)
            for cells in (searched, options.final_cells(searched) or network.cells)
        )
        total += inherited * (sizes.weights + sizes.selection)
        total += trained * (3 * options.agreement.epochs * sizes.weights + sizes.selection)
    return total


def agreement_cells(options: DartsConfig, space: str) -> list[CellsArchitecture]:
    """The cells of `agreement`: drawn by names alone, so that every search of a space scores the same ones."""
    from fernas.spaces.cell_space import space_of
    from fernas.spaces.sampling import random_architecture

    assert options.agreement is not None
    found = space_of(space)
    left = tuple(name for name in found.operations if name not in options.without)
    drawn = dataclasses.replace(found, operations=left, nodes=options.nodes or found.nodes)
    return [
        random_architecture(drawn, rng(0, "agreement", space, drawn.nodes, *left, number))
        for number in range(options.agreement.cells)
    ]


def cell_macs(
    cell: CellsArchitecture,
    cells: int,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
) -> int:
    """Multiply-accumulates of a network of such cells on one image, forward; in the supernet it costs the same."""
    from fernas.spaces.complexity import macs

    return macs(
        cell, cells=cells, channels=network.channels, stem=network.stem, classes=classes, input_shape=input_shape
    )


def spend(options: SupernetConfig, train: float, full: float, sizes: PartSizes, look_ahead_passes: int = 0) -> float:
    """Multiply-accumulates of one search whose supernet costs `train` a training image and `full` a whole one."""
    unrolled = look_ahead_passes * sizes.weights * max(0, options.epochs - options.warmup_epochs)
    images = options.epochs * sizes.weights + selection_images(options, sizes) + unrolled
    curvature = 2 * options.curvature_steps * curvature_batch(options, sizes.selection)
    curvature *= sum(measures_curvature(options, epoch) for epoch in range(options.epochs))
    return 3 * (train * images + full * curvature) + full * validations(options) * sizes.inner_validation


def measures_curvature(options: SupernetConfig, epoch: int) -> bool:
    """Whether the dominant eigenvalue is computed after an epoch: each n-th, and the last; never without the option."""
    every: int = getattr(options, "curvature_every", 0)
    return every > 0 and ((epoch + 1) % every == 0 or epoch + 1 == options.epochs)


def curvature_batch(options: SupernetConfig, selection: int) -> int:
    """How many selection samples the dominant eigenvalue is computed on."""
    return min(effective_batch(options, selection), selection)


@functools.cache
def supernet_cost(
    space: str,
    cells: int,
    network: NetworkConfig,
    input_shape: tuple[int, int, int],
    classes: int,
    nodes: int | None = None,
    without: tuple[str, ...] = (),
) -> int:
    """Multiply-accumulates of the supernet on one image, forward; counting takes a second, so it is kept."""
    from fernas.spaces.complexity import supernet_macs

    kept = remaining(space, nodes, without)
    sizes = (space, cells, network.channels, input_shape, classes)
    return supernet_macs(*sizes, nodes=nodes, stem=network.stem, kept=kept)


def remaining(space: str, nodes: int | None, without: tuple[str, ...]) -> dict[str, dict[int, tuple[str, ...]]]:
    """The operations that stay on each edge of each kind of cell when some are left out everywhere.

    Raises:
        ConfigError: the space does not have one of them, or none is left.
    """
    from fernas.spaces.cell_space import edge_list, space_of

    found = space_of(space)
    for name in without:
        found.require(name, "search_options.without")
    left = tuple(name for name in found.operations if name not in without)
    if not set(left) - {"none"}:
        raise ConfigError("search_options.without: no operation is left")
    if not without:
        return {}
    edges = range(len(edge_list(nodes or found.nodes)))
    return {kind: dict.fromkeys(edges, left) for kind in ("normal", "reduce")}


def seen(augment: AugmentConfig, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of an image in training, after the crop."""
    return (input_shape[0], *crop_size(augment, *input_shape[1:]))


def selection_images(options: SupernetConfig, sizes: PartSizes) -> int:
    """How many selection images the alpha steps of a search see: as many batches as weight steps, cycling."""
    steps = batches_per_epoch(options, sizes.weights) * max(0, options.epochs - options.warmup_epochs)
    in_pass = batches_per_epoch(options, sizes.selection)
    batch = -(-sizes.selection // in_pass)
    larger = sizes.selection - (batch - 1) * in_pass  # np.array_split: the first batches are the larger ones
    rest = steps % in_pass
    return (steps // in_pass) * sizes.selection + rest * (batch - 1) + min(rest, larger)
