"""The contract of search methods: what they are given, what they declare. Importable without torch."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fernas.core.architecture import Architecture, Network
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import NetworkConfig
from fernas.core.run_log import RunLog

if TYPE_CHECKING:
    import torch

    from fernas.learn.arrays import ArrayPart
    from fernas.learn.history import History, Snapshots

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartSizes:
    """How many samples the parts of a training side hold."""

    weights: int
    selection: int
    inner_validation: int


@dataclass(frozen=True)
class SearchPlugin:
    """One search method.

    Attributes:
        name: the file's name.
        title: for tables.
        Config: its options (a pydantic model; unknown keys are refused).
        run: the search.
        skip: why the method makes no sense on a space (None: no space, a fixed network), or None when it does.
        uses_data: False for methods that look at no sample.
        budget: the multiply-accumulates that a run spends, known beforehand, or None when only a limit decides.
        budget_exact: False where what is spent depends on what is found; `budget` is then its expectation.
    """

    name: str
    title: str
    Config: type[BaseModel]
    run: "Callable[[SearchContext], Architecture]"
    skip: Callable[[str | None], str | None]
    uses_data: bool = True
    budget: "Callable[[Any, str, NetworkConfig, int, tuple[int, int, int], PartSizes], float] | None" = None
    budget_exact: bool = True


@dataclass
class SearchContext:
    """What a search is given; never a test sample.

    Attributes:
        space: name of the search space, or None for a fixed network.
        weights, selection, inner_validation: the parts of the training side. Weights are learned on the first,
            architectures chosen on the second; the third takes no gradient and no fitness.
        classes: class names in their order.
        input_shape: (C, H, W) of one image.
        options: the plug-in's validated options.
        network: size of the network that is searched.
        seed: base seed; derive streams from it by name.
        device: `auto`, `cpu` or `cuda`.
        threads: torch threads.
        budget: meter of multiply-accumulates, with a limit where one is set.
        checkpoint: where to save, outside the declared outputs.
        log: metrics and status for tracking.
        history_path: search.jsonl, one row per epoch, generation or candidate.
        source: the architecture of another run that this method starts from, or None.
        reference: the options of the method whose budget limits this one (`budget_from`), or None.
    """

    space: str | None
    weights: "ArrayPart"
    selection: "ArrayPart"
    inner_validation: "ArrayPart"
    classes: list[str]
    input_shape: tuple[int, int, int]
    options: Any
    network: NetworkConfig
    seed: int
    budget: BudgetMeter
    checkpoint: CheckpointStore
    log: RunLog
    history_path: Path
    device: str = "cpu"
    threads: int = 1
    source: Path | None = None
    reference: Any = None
    _resumed: dict[str, Any] | None = None
    _watch: Any = None

    @property
    def space_name(self) -> str:
        """The space, which must be given."""
        if self.space is None:
            raise ValueError("this search needs a space")
        return self.space

    def network_block(self, cells: int | None = None) -> Network:
        """The `network` block that fernas writes into the architecture."""
        return Network(
            cells=cells or self.network.cells,
            channels=self.network.channels,
            stem=self.network.stem,
            aux=self.network.aux,
            classes=len(self.classes),
            input=self.input_shape,
        )

    def open(self) -> "tuple[torch.device, History, Snapshots, dict[str, Any] | None]":
        """Prepare torch and continue from a checkpoint: device, history, snapshots and the method's own saved state."""
        from fernas.learn.history import History, Snapshots
        from fernas.learn.runtime import Stopwatch, prepare

        device = prepare(self.seed, self.threads, self.device)
        history = History(self.history_path, self.log)
        snapshots = Snapshots(self.checkpoint, lambda: {"common": self._common(history)})
        state = snapshots.load()
        if state is not None:
            history.load(state["common"]["history"])
            self.budget.load(state["common"]["budget"])
            logger.info("search continues after %d rows of its history", len(history.rows))
        self._watch = Stopwatch(None if state is None else state["common"]["watch"])
        return device, history, snapshots, state

    def _common(self, history: "History") -> dict[str, Any]:
        return {"history": history.state(), "budget": self.budget.state(), "watch": self._watch.state()}

    def cost(self) -> dict[str, Any]:
        """What the search has cost so far (for cost.json)."""
        from fernas.learn.runtime import Stopwatch, cost, pick_device

        return cost(self._watch or Stopwatch(), self.budget.spent, pick_device(self.device))
