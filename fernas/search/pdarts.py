"""P-DARTS: stages of growing depth, operations dropped between them, skip connections held back and counted."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from fernas.core.architecture import Architecture
from fernas.core.config import NetworkConfig
from fernas.search._supernet_options import MixedConfig, cell_steps, edge_macs, skip, spend, training_shape
from fernas.search.context import SearchContext, SearchPlugin, SearchSize
from fernas.spaces.cell_space import space_of

DEPTHS = (5, 11, 17)


@dataclass(frozen=True)
class Stage:
    """One stage of the search: a supernet of `cells` cells with `operations` per edge."""

    number: int
    cells: int
    operations: int
    skip_dropout: float


class PdartsConfig(MixedConfig):
    """Defaults are those of the P-DARTS paper (search on CIFAR-10), unless stated otherwise."""

    epochs: int = Field(default=25, ge=1, description="epochs of each stage")
    warmup_epochs: int = Field(default=10, ge=0, description="first epochs of a stage in which only the weights learn")
    batch: int = Field(default=96, ge=1, description="largest batch of either half of a step")
    lr_min: float = Field(default=0.0, ge=0)
    clip: float = Field(default=5.0, gt=0, description="largest norm of the weights' gradient, and of the alphas'")
    alpha_lr: float = Field(default=6e-4, gt=0, description="Adam on the alphas")
    depths: tuple[int, ...] | None = Field(
        default=DEPTHS,
        description="cells of each stage; null: 5 : 11 : 17 scaled so that the last stage is as deep as the network",
    )
    operations: tuple[int, ...] = Field(
        default=(5, 3), description="operations that remain on an edge in the second, third, ... stage (of all before)"
    )
    skip_dropout: tuple[float, ...] = Field(
        default=(0.0, 0.4, 0.7),
        description="dropout behind skip connections at the start of each stage",
    )
    skip_dropout_decay: Literal["linear", "authors"] = Field(
        default="linear",
        description="to 0 over the epochs of a stage; authors: so while only the weights learn, then from the start "
        "again, by exp(-0.2) per epoch, as the released code",
    )
    max_skips: int | None = Field(default=2, ge=0, description="skip connections of the normal cell; null: any number")

    @field_validator("depths", "operations")
    @classmethod
    def _positive(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or min(value) < 1):
            raise ValueError("expected numbers >= 1, one per stage")
        return value

    @model_validator(mode="after")
    def _same_length(self) -> "PdartsConfig":
        if self.search_cells is not None:
            raise ValueError("search_cells: the stages have their own numbers of cells; give depths")
        lengths = {1 + len(self.operations), len(self.skip_dropout), len(self.depths or DEPTHS)}
        if len(lengths) > 1:
            raise ValueError("depths and skip_dropout need one value per stage, operations one less")
        if any(not 0 <= p < 1 for p in self.skip_dropout):
            raise ValueError("skip_dropout: expected probabilities in [0, 1)")
        if list(self.operations) != sorted(self.operations, reverse=True):
            raise ValueError("operations: a later stage can't have more of them")
        return self

    def stages(self, network: NetworkConfig, space: str) -> list[Stage]:
        """The stages for a network of this size and a space."""
        depths = self.depths or scaled(network.cells)
        most = len(space_of(space).operations)
        values = zip(depths, (most, *self.operations), self.skip_dropout, strict=True)
        # a space may have fewer operations than a stage would keep
        return [Stage(i, cells, min(most, count), p) for i, (cells, count, p) in enumerate(values)]


def scaled(cells: int) -> tuple[int, ...]:
    """5, 11 and 17 in the same proportions, the last one `cells`; no stage has fewer than three."""
    return tuple(max(3, round(cells * depth / DEPTHS[-1])) for depth in DEPTHS)


def budget(options: PdartsConfig, size: SearchSize) -> float:
    """Multiply-accumulates that the stages are expected to spend: every operation is equally likely to remain."""
    # `none` is one of them: it costs nothing, but may be what remains
    columns = len(space_of(size.space).operations)
    total = 0.0
    for stage in options.stages(size.network, size.space):
        share = stage.operations / columns
        costs = []
        for shape in (training_shape(options.augment, size.input_shape), size.input_shape):
            base, tables = edge_macs(options.supernet_size(size).of_one_image(shape), stage.cells)
            costs.append(base + share * sum(sum(map(sum, table)) for table in tables.values()))
        total += spend(options, costs[0], costs[1], size.parts)
    return total


def steps(options: PdartsConfig, size: SearchSize) -> int:
    """Steps of the weights times cells, over all stages."""
    return cell_steps(options, size, [stage.cells for stage in options.stages(size.network, size.space)])


def run(context: SearchContext) -> Architecture:
    """Search stage by stage."""
    from fernas.search._pdarts import search

    return search(context)


PLUGIN = SearchPlugin(
    "pdarts",
    "P-DARTS, progressive search",
    PdartsConfig,
    run,
    skip,
    budget=budget,
    budget_exact=False,
    cell_steps=steps,
)
