"""The contract of training recipes. Importable without torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fernas.core.architecture import Architecture
from fernas.core.checkpoint import CheckpointStore
from fernas.core.run_log import RunLog

if TYPE_CHECKING:
    from fernas.learn.arrays import ArrayPart


@dataclass(frozen=True)
class RecipePlugin:
    """One training recipe.

    Attributes:
        name: the file's name.
        title: for tables.
        Config: its options (a pydantic model with an `augment` section; unknown keys are refused).
        run: trains all folds of a shard; returns the multiply-accumulates spent.
        features: whether it works on views of features, instead of images.
    """

    name: str
    title: str
    Config: type[BaseModel]
    run: "Callable[[TrainContext], float]"
    features: bool = False


@dataclass(frozen=True)
class FoldTask:
    """One fold of a shard: its network and its training side; never a test sample.

    Attributes:
        fold: number of the fold.
        architecture: what to train (found by the fold's own search).
        train: weights and selection parts together.
        inner: inner validation, which may choose the epoch.
    """

    fold: int
    architecture: Architecture
    train: "ArrayPart"
    inner: "ArrayPart"


@dataclass
class TrainContext:
    """What a recipe is given.

    Attributes:
        folds: the shard's folds in order.
        classes: class names in their order.
        input_shape: (C, H, W) of one image.
        options: the recipe's validated options.
        seed: base seed; streams derive from it by name and fold.
        device, threads: where and with how many threads.
        checkpoint: where to save, outside the declared outputs.
        log: metrics and status for tracking.
        models_path: models.safetensors, tensors named fold<k>/<parameter>.
        history_path: training.jsonl, one row per epoch and fold.
        init_from: models.safetensors of another run, for recipes that start from one.
        init_fold: the fold whose weights are taken from it.
        init_classes: its class names in their order.
    """

    folds: list[FoldTask]
    classes: list[str]
    input_shape: tuple[int, int, int]
    options: Any
    seed: int
    checkpoint: CheckpointStore
    log: RunLog
    models_path: Path
    history_path: Path
    device: str = "cpu"
    threads: int = 1
    init_from: Path | None = None
    init_fold: int = 0
    init_classes: list[str] = field(default_factory=list)
    cost: dict[str, Any] = field(default_factory=dict)
