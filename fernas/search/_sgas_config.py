"""Options of the greedy search SGAS, when it decides, and what it will spend; importable without torch."""

import functools
from typing import Literal

from pydantic import Field

from fernas.core.config import NetworkConfig
from fernas.core.errors import ConfigError
from fernas.core.seeds import rng
from fernas.learn.config import AugmentConfig, BatchOptions, batches_per_epoch, effective_batch
from fernas.search._darts_config import seen
from fernas.search.context import PartSizes
from fernas.spaces.cell_space import edge_list, space_of

KEPT = 2  # edges that remain of those that enter a node
ORDERS = 100  # random orders of decision over which the budget is averaged


class SgasConfig(BatchOptions):
    """Defaults are those of Auto-FERNet's published code (its README command), where nothing else is said."""

    criterion: Literal[1, 2] = Field(default=1, description="2 also asks for stability over the last epochs")
    first_decision: int = Field(default=9, ge=0, description="epoch (from 0) after which the first edge is decided")
    decision_every: int = Field(default=5, ge=1, description="epochs between two decisions")
    history_size: int = Field(default=4, ge=1, description="epochs whose mean gives the stability of criterion 2")
    epochs: int | None = Field(
        default=None, ge=1, description="null: one interval beyond the last decision, as published (50 for four nodes)"
    )
    batch: int = Field(default=24, ge=1, description="largest batch of either half of a step")
    batch_growth: int = Field(
        default=0, ge=0, description="added to `batch` at each decision (SGAS: 8; commented out in Auto-FERNet's code)"
    )
    complexity: Literal["published", "all", "none"] = Field(
        default="published",
        description="penalty on raw alphas: of the first normal edge (as published), of all undecided edges, or none",
    )
    complexity_weight: float = Field(
        default=1.0, ge=0, description="factor of 1/2 sum of alpha^2 x share of parameters"
    )
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
    augment: AugmentConfig = Field(
        default=AugmentConfig(padding=0, crop=44, rotation_deg=0.0, brightness=0.5, contrast=0.5, scale="unit"),
        description="the published search: crop 44 of 48, flip, jitter 0.5; floats in [0, 1]",
    )
    cells: int | None = Field(default=None, ge=1, description="number of cells; null: network.cells")
    channels: int | None = Field(default=None, ge=1, description="channels of the supernet; null: network.channels")
    form: Literal["fast", "plain"] = Field(default="fast", description="form of the supernet; plain is the reference")
    validate_every: int = Field(default=1, ge=1, description="epochs between inner-validation scores")

    def decisions(self, space: str) -> int:
        """Decisions per kind of cell: two for each node."""
        return KEPT * space_of(space).nodes

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
        """The options with the batch that serves after so many decisions."""
        return self.model_copy(update={"batch": self.batch + self.batch_growth * decisions})

    def size(self, network: NetworkConfig) -> tuple[int, int]:
        """(cells, channels) of the supernet."""
        return self.cells or network.cells, self.channels or network.channels


def budget(
    options: SgasConfig,
    space: str,
    network: NetworkConfig,
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """Multiply-accumulates that a search is expected to spend: the mean over random orders of decision.

    What a search spends depends on which edges it decides and how cheap their operations are; its own meter counts
    that exactly. Here every undecided edge and every operation but `none` is equally likely (seeded: the same number
    each time), which is known beforehand and serves as limit of the random control.
    """
    import numpy as np

    cells, channels = options.size(network)
    epochs = options.total_epochs(space)
    train = _expected_macs(space, cells, channels, seen(options.augment, input_shape), classes, network.stem)
    full = _expected_macs(space, cells, channels, input_shape, classes, network.stem)
    total = 0.0
    for epoch in range(epochs):
        made = options.made(epoch, space)
        grown = options.batch_after(made)
        images = float(sizes.weights)
        if epoch >= options.warmup_epochs and made < options.decisions(space):
            steps = batches_per_epoch(grown, sizes.weights)
            images += steps * sizes.selection / batches_per_epoch(grown, sizes.selection)
        total += 3 * train[made] * images
        if (epoch + 1) % options.validate_every == 0 or epoch + 1 == epochs:
            total += full[options.made(epoch + 1, space)] * sizes.inner_validation
    return float(np.round(total))


@functools.cache
def edge_macs(
    space: str, cells: int, channels: int, shape: tuple[int, int, int], classes: int, stem: str
) -> tuple[int, dict[str, list[list[int]]]]:
    """`supernet_edge_macs`, counted once in a process; not to be changed."""
    from fernas.spaces.complexity import supernet_edge_macs

    return supernet_edge_macs(space, cells, channels, shape, classes, stem=stem)


def _expected_macs(
    space: str, cells: int, channels: int, shape: tuple[int, int, int], classes: int, stem: str
) -> list[float]:
    """Mean multiply-accumulates per image after 0, 1, ... decisions per kind over random orders of decision."""
    import numpy as np

    found = space_of(space)
    base, table = edge_macs(space, cells, channels, shape, classes, stem)
    edges = edge_list(found.nodes)
    count = KEPT * found.nodes
    totals = np.full(count + 1, float(base))
    for kind, costs in sorted(table.items()):  # costs: (edges, operations) over o != none
        mixed = np.asarray(costs, float)
        for order in range(ORDERS):
            random = rng(0, "sgas budget", kind, order)
            cost = mixed.sum(1)
            open_edges = set(range(len(edges)))
            entered = [0] * found.nodes
            totals[0] += cost.sum() / ORDERS
            for step in range(count):
                edge = int(random.choice(sorted(open_edges)))
                open_edges.discard(edge)
                cost[edge] = mixed[edge, int(random.integers(mixed.shape[1]))]
                node = edges[edge][0]
                entered[node] += 1
                if entered[node] == KEPT:
                    for other in [e for e in open_edges if edges[e][0] == node]:
                        open_edges.discard(other)
                        cost[other] = 0.0
                totals[step + 1] += cost.sum() / ORDERS
    return totals.tolist()


def batch_of(options: SgasConfig, decisions: int, samples: int) -> int:
    """The batch for a part of `samples` after so many decisions."""
    return effective_batch(options.batch_after(decisions), samples)
