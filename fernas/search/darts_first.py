"""Differentiable search, first order (xi = 0): alphas on the selection part, then weights on the weights part."""

import dataclasses
from typing import Literal

from pydantic import Field, field_validator, model_validator

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.config import NetworkConfig
from fernas.core.rank_agreement import FEWEST
from fernas.core.seeds import rng
from fernas.learn.config import FitConfig
from fernas.search._supernet_options import MixedConfig, cell_steps, skip, spend, supernet_cost, training_shape
from fernas.search.context import SearchContext, SearchPlugin, SearchSize


class AgreementConfig(FitConfig):
    """Cells drawn at random that are scored twice: with the supernet's weights, and trained from scratch."""

    cells: int = Field(default=12, ge=FEWEST, description="how many; the same ones in every search of a space")
    epochs: int = Field(default=15, ge=1, description="of each cell's training on the weights part")
    batch: int = Field(default=32, ge=1, description="largest batch")
    drop_path: float = Field(default=0.0, ge=0, lt=1, description="probability reached at the last epoch")
    select: Literal["last"] = Field(default="last", description="no other part may choose an epoch")


class DartsConfig(MixedConfig):
    """With choices by inner validation: of the number of cells, and of the cap on skip connections."""

    cells: int | tuple[int, ...] | None = Field(
        default=None, description="number of cells; a list: chosen by inner validation; null: network.cells"
    )
    max_skips: int | None | tuple[int | None, ...] = Field(
        default=None,
        description="largest number of skip connections in the normal cell, by the rule of P-DARTS; a list: chosen by "
        "inner validation",
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


def budget(options: DartsConfig, size: SearchSize, look_ahead_passes: int = 0) -> float:
    """Multiply-accumulates of the searches over all numbers of cells (a choice among candidates aside)."""
    total, supernet = 0.0, options.supernet_size(size)
    for cells in options.cell_choices(size.network):
        train, full = (
            supernet_cost(supernet.of_one_image(shape), cells, options.nodes, options.without)
            for shape in (training_shape(options.augment, size.input_shape), size.input_shape)
        )
        total += spend(options, train, full, size.parts, look_ahead_passes)
    return total + agreement_macs(options, size)


def steps(options: DartsConfig, size: SearchSize) -> int:
    """Steps of the weights times cells, over all numbers of cells."""
    return cell_steps(options, size, options.cell_choices(size.network))


def agreement_macs(options: DartsConfig, size: SearchSize) -> float:
    """Multiply-accumulates of scoring the cells of `agreement` twice."""
    if options.agreement is None:
        return 0.0
    searched = options.cell_choices(size.network)[0]
    final = options.final_cells(searched) or size.network.cells
    total = 0.0
    for cell in agreement_cells(options, size.space):
        inherited, trained = cell_macs(cell, searched, options.supernet_size(size)), cell_macs(cell, final, size)
        total += inherited * (size.parts.weights + size.parts.selection)
        # in training an image counts three times: forward once, backward twice
        total += trained * (3 * options.agreement.epochs * size.parts.weights + size.parts.selection)
    return total


def agreement_cells(options: DartsConfig, space: str) -> list[CellsArchitecture]:
    """The cells of `agreement`: drawn by names alone, so that every search of a space scores the same ones."""
    from fernas.spaces.cell_space import space_of
    from fernas.spaces.sampling import random_architecture

    assert options.agreement is not None
    whole = space_of(space)
    left = tuple(name for name in whole.operations if name not in options.without)
    searched = dataclasses.replace(whole, operations=left, nodes=options.nodes or whole.nodes)
    return [
        random_architecture(searched, rng(0, "agreement", space, searched.nodes, *left, number))
        for number in range(options.agreement.cells)
    ]


def cell_macs(cell: CellsArchitecture, cells: int, size: SearchSize) -> int:
    """Multiply-accumulates of a network of such cells on one image, forward; in the supernet it costs the same."""
    from fernas.spaces.complexity import macs

    network = size.network
    return macs(
        cell,
        cells=cells,
        channels=network.channels,
        stem=network.stem,
        classes=size.classes,
        input_shape=size.input_shape,
    )


def run(context: SearchContext) -> Architecture:
    """Search with the first-order step."""
    # here, so that the workflow reads the plug-in without torch
    from fernas.search._darts import Darts, search

    return search(context, Darts)


PLUGIN = SearchPlugin(
    "darts_first", "DARTS search, first order", DartsConfig, run, skip, budget=budget, cell_steps=steps
)
