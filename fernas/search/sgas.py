"""SGAS (sequential greedy search, criteria 1 and 2), as Auto-FERNet runs it; on any space of cells."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fernas.core.architecture import Architecture
from fernas.core.errors import ConfigError
from fernas.core.seeds import rng
from fernas.learn.config import AugmentConfig, batches_per_epoch, effective_batch
from fernas.search._supernet_options import SupernetConfig, edge_macs, skip, training_shape
from fernas.search.context import SearchContext, SearchPlugin, SearchSize
from fernas.spaces.cell_space import CellSpace, edge_list, space_of

if TYPE_CHECKING:
    import numpy as np

INPUTS = 2  # edges that remain of those that enter a node
ORDERS = 100  # random orders of decision over which the budget is averaged


class SgasConfig(SupernetConfig):
    """Defaults are those of Auto-FERNet's published code (its README command), unless stated otherwise."""

    criterion: Literal[1, 2] = Field(default=1, description="2 also asks for stability over the last epochs")
    first_decision: int = Field(default=9, ge=0, description="epoch (from 0) after which the first edge is decided")
    decision_every: int = Field(default=5, ge=1, description="epochs between two decisions")
    history_size: int = Field(default=4, ge=1, description="epochs whose mean gives the stability of criterion 2")
    epochs: int | None = Field(  # type: ignore[assignment]  # `total_epochs` says how many null is
        default=None, ge=1, description="null: one interval beyond the last decision, as published (50 for four nodes)"
    )
    batch: int = Field(default=24, ge=1, description="largest batch of either half of a step")
    batch_growth: int = Field(
        default=0, ge=0, description="added to `batch` at each decision (SGAS: 8; commented out in Auto-FERNet's code)"
    )
    pruned: Literal["skip", "published"] = Field(
        default="skip",
        description="a pruned edge adds nothing (SGAS), or as published the map computed last once more (a replica of "
        "Auto-FERNet's released code; no compiled kernels from the first pruned edge on)",
    )
    complexity: Literal["published", "all", "none"] = Field(
        default="published",
        description="penalty on raw alphas: of the first normal edge (as published), of all undecided edges, or none",
    )
    complexity_weight: float = Field(
        default=1.0, ge=0, description="factor of 1/2 sum of alpha^2 x share of parameters"
    )
    augment: AugmentConfig = Field(
        default=AugmentConfig(padding=0, crop=44, rotation_deg=0.0, brightness=0.5, contrast=0.5, scale="unit"),
        description="the published search: crop 44 of 48, flip, jitter 0.5; floats in [0, 1]",
    )

    def decisions(self, space: str) -> int:
        """Decisions per kind of cell: two for each node."""
        return INPUTS * space_of(space).nodes

    def total_epochs(self, space: str) -> int:
        """The number of epochs; a ConfigError when they end before the last decision."""
        last = self.first_decision + self.decision_every * (self.decisions(space) - 1)
        if self.epochs is None:
            return last + self.decision_every + 1
        if self.epochs <= last:
            raise ConfigError(
                f"search_options.epochs: got {self.epochs}, expected more than {last}, the epoch of the last of "
                f"{self.decisions(space)} decisions (first_decision, decision_every)"
            )
        return self.epochs

    def made(self, epoch: int, space: str) -> int:
        """Decisions per kind that stand before `epoch` begins."""
        if epoch <= self.first_decision:
            return 0
        return min(self.decisions(space), (epoch - 1 - self.first_decision) // self.decision_every + 1)

    def decides(self, epoch: int, space: str) -> bool:
        """Whether an edge of each kind is decided after `epoch`."""
        return self.made(epoch + 1, space) > self.made(epoch, space)

    def batch_after(self, decisions: int) -> "SgasConfig":
        """The options with the batch after so many decisions."""
        return self.model_copy(update={"batch": self.batch + self.batch_growth * decisions})


def budget(options: SgasConfig, size: SearchSize) -> float:
    """Multiply-accumulates that a search is expected to spend: the mean over random orders of decision.

    What a search spends depends on which edges it decides and how cheap their operations are; its own meter counts
    that exactly. Here every undecided edge and every operation but `none` is equally likely (seeded: the same number
    each time), which is known beforehand and can limit the random baseline.
    """
    import numpy as np

    epochs, parts, size = options.total_epochs(size.space), size.parts, options.supernet_size(size)
    train = _expected_macs(size.of_one_image(training_shape(options.augment, size.input_shape)))
    full = _expected_macs(size.of_one_image())
    total = 0.0
    for epoch in range(epochs):
        made = options.made(epoch, size.space)
        grown = options.batch_after(made)
        images = float(parts.weights)
        # alphas stop learning once every edge is decided
        if epoch >= options.warmup_epochs and made < options.decisions(size.space):
            steps = batches_per_epoch(grown, parts.weights)
            images += steps * parts.selection / batches_per_epoch(grown, parts.selection)
        total += 3 * train[made] * images
        if (epoch + 1) % options.validate_every == 0 or epoch + 1 == epochs:
            total += full[options.made(epoch + 1, size.space)] * parts.inner_validation
    return float(np.round(total))


def _expected_macs(size: SearchSize) -> list[float]:
    """Mean multiply-accumulates per image after 0, 1, ... decisions per kind over random orders of decision."""
    import numpy as np

    space = space_of(size.space)
    base, table = edge_macs(size, size.network.cells)
    count = INPUTS * space.nodes
    totals = np.full(count + 1, float(base))
    for kind, costs in sorted(table.items()):
        for order in range(ORDERS):
            random = rng(0, "sgas budget", kind, order)
            for step, macs in enumerate(_macs_of_random_decisions(space, np.asarray(costs, float), random)):
                totals[step] += macs / ORDERS
    return totals.tolist()


def _macs_of_random_decisions(space: CellSpace, mixed: "np.ndarray", random: "np.random.Generator") -> Iterator[float]:
    """Multiply-accumulates of one kind's edges before the first of its decisions and after each.

    `mixed` (edges, operations but `none`): those of each operation on each edge.
    """
    edges = edge_list(space.nodes)
    cost = mixed.sum(1)
    yield cost.sum()
    open_edges = set(range(len(edges)))
    entered = [0] * space.nodes
    for _ in range(INPUTS * space.nodes):
        # sorted, so that a draw does not depend on the order of a set
        edge = int(random.choice(sorted(open_edges)))
        open_edges.discard(edge)
        cost[edge] = mixed[edge, int(random.integers(mixed.shape[1]))]
        node = edges[edge][0]
        entered[node] += 1
        if entered[node] == INPUTS:
            for other in [e for e in open_edges if edges[e][0] == node]:
                open_edges.discard(other)
                cost[other] = 0.0
        yield cost.sum()


def steps(options: SgasConfig, size: SearchSize) -> int:
    """Steps of the weights times cells, in batches that may grow with the decisions."""
    batches = (options.batch_after(options.made(e, size.space)) for e in range(options.total_epochs(size.space)))
    return options.supernet_network(size.network).cells * sum(
        batches_per_epoch(grown, size.parts.weights) for grown in batches
    )


def batch_of(options: SgasConfig, decisions: int, samples: int) -> int:
    """The batch for a part of `samples` after so many decisions."""
    return effective_batch(options.batch_after(decisions), samples)


def run(context: SearchContext) -> Architecture:
    """Search until every node has two decided inputs."""
    from fernas.search._sgas import search

    return search(context)


def replica(options: SgasConfig) -> str:
    """What tables say of the released code's form of pruned edges."""
    return "replica: pruned edges add a map again, as published" if options.pruned == "published" else ""


PLUGIN = SearchPlugin(
    "sgas",
    "SGAS, greedy search",
    SgasConfig,
    run,
    skip,
    budget=budget,
    budget_exact=False,
    cell_steps=steps,
    replica=replica,
)
