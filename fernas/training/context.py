"""The contract of training recipes: what they are given, what they declare. Importable without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from fernas.core.architecture import Architecture
from fernas.core.checkpoint import CheckpointStore
from fernas.core.run_log import RunLog

if TYPE_CHECKING:
    from fernas.learn.arrays import ArrayPart

# An option that several recipes have; see `training.oracle`.
OracleEvery = Annotated[
    int | None,
    Field(
        ge=1,
        description="keep the weights after every so many epochs, so that the tables show what the best of them on the "
        "test split reaches (`oracle_uar`, a replica of published code); null: none",
    ),
]


@dataclass(frozen=True)
class RecipePlugin:
    """One training recipe.

    Attributes:
        name: the file's name.
        title: for tables.
        Config: its options (a pydantic model with an `augment` section; unknown keys are refused).
        run: trains all folds of a shard, and writes their models; returns what that cost, for cost.json.
        features: whether it works on views of features, instead of images.
    """

    name: str
    title: str
    Config: type[BaseModel]
    run: "Callable[[TrainContext], dict[str, Any]]"
    features: bool = False


@dataclass(frozen=True)
class FoldTask:
    """One fold of a shard: its network and its train split; never a test sample.

    Attributes:
        fold: number of the fold.
        architecture: what to train: the result of the search that the fold belongs to.
        train: weights and selection parts together.
        inner: inner validation, which may choose the epoch.
    """

    fold: int
    architecture: Architecture
    train: "ArrayPart"
    inner: "ArrayPart"


@dataclass(frozen=True)
class Origin:
    """The trained run that a method starts from (`init_from`).

    Attributes:
        models: its models.safetensors.
        fold: the fold whose weights are taken; None where both runs have the same folds, and fold k starts from fold k.
        classes: its class names in their order.
    """

    models: Path
    fold: int | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TrainContext:
    """What a recipe is given.

    Attributes:
        folds: the shard's folds in order.
        classes: class names in their order.
        options: the recipe's validated options.
        seed: base seed; streams derive from it by name and fold.
        threads: torch threads.
        device: `auto`, `cpu` or `cuda`.
        checkpoint: where to save, outside the declared outputs.
        log: metrics and status for tracking.
        out_dir: folder of the outputs.
        origin: the run whose weights are the start, for recipes that need one.
    """

    folds: tuple[FoldTask, ...]
    classes: list[str]
    options: Any
    seed: int
    threads: int
    device: str
    checkpoint: CheckpointStore
    log: RunLog
    out_dir: Path
    origin: Origin | None = None

    @property
    def models_path(self) -> Path:
        """models.safetensors; tensors are named fold<k>/<parameter>."""
        return self.out_dir / "models.safetensors"

    @property
    def history_path(self) -> Path:
        """training.jsonl, one row per epoch and fold."""
        return self.out_dir / "training.jsonl"
