"""The contract of search methods: what they are given, what they declare. Importable without torch."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fernas.core.architecture import Architecture, CellsArchitecture, Network
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import NetworkConfig
from fernas.core.errors import ContractError
from fernas.core.run_log import RunLog

if TYPE_CHECKING:
    import torch

    from fernas.learn.arrays import ArrayPart
    from fernas.learn.history import History, Snapshots
    from fernas.learn.runtime import Stopwatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartSizes:
    """How many samples the parts of a train split hold."""

    weights: int = 0
    selection: int = 0
    inner_validation: int = 0


@dataclass(frozen=True)
class SearchSize:
    """How large a search is: all that its budget depends on beside its options.

    Attributes:
        space: name of the search space; empty for a fixed network.
        network: size of the network that is searched.
        classes: number of classes.
        input_shape: (C, H, W) of one image.
        parts: number of samples of each part.
    """

    space: str
    network: NetworkConfig
    classes: int
    input_shape: tuple[int, int, int]
    parts: PartSizes = PartSizes()

    def of_one_image(self, input_shape: tuple[int, int, int] | None = None) -> "SearchSize":
        """The same without samples, for images of this shape: the key under which the cost of an image is cached."""
        return dataclasses.replace(self, input_shape=input_shape or self.input_shape, parts=PartSizes())


@dataclass(frozen=True)
class SearchPlugin:
    """One search method.

    Attributes:
        name: the file's name.
        title: for tables.
        Config: its options (a pydantic model; unknown keys are refused).
        run: the search.
        skip: why the method makes no sense on a space (None: no space, a fixed network), or None when it does.
        uses_data: False for methods that look at no sample; they spend nothing.
        budget: the multiply-accumulates that a run spends, known beforehand, from its options and size; None when only
            a limit decides. Not asked where `uses_data` is False.
        cell_steps: of a search by gradients: the steps of the supernet's weights times its cells, from the same; a plan
            needs them for the costs of a step that do not grow with its images.
        budget_exact: False where what is spent depends on the course of the search; `budget` is its expectation then.
        architecture: the cells that the options bring along, for methods that take them from a file; a rule's params
            hold their hash, so that a changed file searches again.
        replica: what tables say of a run whose options copy released code where the default does not; else "".
    """

    name: str
    title: str
    Config: type[BaseModel]
    run: "Callable[[SearchContext], Architecture]"
    skip: Callable[[str | None], str | None]
    uses_data: bool = True
    budget: Callable[[Any, SearchSize], float] | None = None
    budget_exact: bool = True
    architecture: "Callable[[Any], CellsArchitecture] | None" = None
    replica: Callable[[Any], str] | None = None
    cell_steps: Callable[[Any, SearchSize], int] | None = None


def _stopwatch() -> "Stopwatch":
    # here, since the workflow reads this module without torch
    from fernas.learn.runtime import Stopwatch

    return Stopwatch()


@dataclass(frozen=True)
class SearchContext:
    """What a search is given; never a test sample.

    Attributes:
        space: name of the search space, or None for a fixed network.
        weights, selection, inner_validation: the parts of the train split. Weights are learned on the first,
            architectures chosen on the second; the third takes no gradient and no fitness.
        classes: class names in their order.
        input_shape: (C, H, W) of one image.
        options: the plug-in's validated options.
        network: size of the network that is searched.
        seed: base seed; derive streams from it by name.
        budget: meter of multiply-accumulates, with a limit where one is set.
        checkpoint: where to save, outside the declared outputs.
        log: metrics and status for tracking.
        history_path: search.jsonl, one row per epoch, generation or candidate.
        device: `auto`, `cpu` or `cuda`.
        threads: torch threads.
        source: the architecture of another run that this method starts from, or None.
        reference: the options of the method whose budget limits this one (`budget_from`), or None.
        watch: wall and core seconds, continued over interruptions.
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
    watch: "Stopwatch" = field(default_factory=_stopwatch)

    @property
    def space_name(self) -> str:
        """The space, which must be given."""
        if self.space is None:
            raise ValueError("this search needs a space")
        return self.space

    @property
    def size(self) -> SearchSize:
        """What the budget depends on."""
        parts = PartSizes(len(self.weights), len(self.selection), len(self.inner_validation))
        return SearchSize(self.space or "", self.network, len(self.classes), self.input_shape, parts)

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

    def open(self, needs_samples: bool = True) -> "SearchSession":
        """Prepare torch and continue from a checkpoint.

        Args:
            needs_samples: False for methods that look at no sample.

        Raises:
            ContractError: the weights part or the selection part is empty.
        """
        from fernas.learn.history import History, Snapshots
        from fernas.learn.runtime import prepare

        if needs_samples and not (len(self.weights) and len(self.selection)):
            raise ContractError(
                f"search: weights and selection need samples, got {len(self.weights)} and {len(self.selection)}"
            )
        device = prepare(self.seed, self.threads, self.device)
        history = History(self.history_path, self.log)
        # called at each save, so that rows, budget and seconds are those of that moment
        snapshots = Snapshots(self.checkpoint, lambda: {"common": self._common(history)})
        state = snapshots.load()
        if state is not None:
            history.load(state["common"]["history"])
            self.budget.load(state["common"]["budget"])
            self.watch.load(state["common"]["watch"])
            logger.info("search continues after %d rows of its history", len(history.rows))
        return SearchSession(self, device, history, snapshots, state)

    def _common(self, history: "History") -> dict[str, Any]:
        return {"history": history.state(), "budget": self.budget.state(), "watch": self.watch.state()}

    def cost(self) -> dict[str, Any]:
        """What the search has cost so far (for cost.json)."""
        from fernas.learn.runtime import cost, pick_device

        return cost(self.watch, self.budget.spent, pick_device(self.device))


@dataclass(frozen=True)
class SearchSession:
    """An open search: its context beside what torch and a resumed run need.

    Attributes:
        context: what the search is given.
        device: where it computes.
        history: rows of search.jsonl.
        snapshots: when and how it saves.
        state: the method's own saved state, or None at the start.
    """

    context: SearchContext
    device: "torch.device"
    history: "History"
    snapshots: "Snapshots"
    state: dict[str, Any] | None
