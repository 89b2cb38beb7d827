"""Auto-FERNet's recipe: plain training until a training accuracy is reached, then training with relabelled near ties.

In the second phase each batch is predicted first; with q = softmax(logits), y the stored label, k = argmax q:

    strategy 1:  q_k - q_y < margin                                            -> learn from k instead of y
    strategy 2:  0 < q_k - q_y < margin and FES(y, k) > fes_threshold          -> learn from k instead of y

A replaced label holds for this batch only. Stored labels never change, and the phase's first epoch replaces nothing.
All swaps, and the final predictions of the swapped samples, are written to relabel.jsonl beside training.jsonl.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.core.seeds import derive_seed
from fernas.learn.config import AugmentConfig, FitConfig, Options
from fernas.training.context import OracleEvery, RecipePlugin, TrainContext

if TYPE_CHECKING:
    from torch import nn

    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldRun
    from fernas.training.swaps import Swaps


class RelabelPhase(Options):
    """The second phase; what it does not name is as in the first."""

    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=64, ge=1, description="largest batch")
    lr: float = Field(default=0.001, gt=0, description="published README; its script's default was 0.02272721")
    lr_min: float = Field(default=0.0, ge=0)
    drop_path_start: float = Field(
        default=0.2 * 115 / 600, ge=0, lt=1, description="published: 0.2 (epoch + 115) / 600"
    )
    drop_path: float = Field(default=0.2 * 215 / 600, ge=0, lt=1, description="reached at the last epoch")


class RelabelConfig(FitConfig):
    """The published training on FER2013; the options of `fit` are those of the first phase."""

    epochs: int = Field(default=600, ge=1, description="length of the first phase's cosine")
    batch: int = Field(default=24, ge=1, description="largest batch")
    augment: AugmentConfig = Field(
        default=AugmentConfig(padding=0, crop=44, rotation_deg=0.0, scale="unit"),
        description="crop 44 of 48 and flip; floats in [0, 1]",
    )
    strategy: Literal[0, 1, 2] = Field(
        default=2, description="1: near ties; 2: near ties of similar expressions; 0: none"
    )
    margin: float = Field(default=0.2, ge=0, le=1, description="largest difference q_k - q_y of a near tie")
    fes_threshold: float = Field(default=0.03, ge=0, le=1, description="strategy 2: smallest similarity")
    fes: str = Field(default="training", description="strategy 2: FES of FER+ `training` rows or `all`, or a csv file")
    start_accuracy: float = Field(
        default=0.85, gt=0, le=1, description="training accuracy that ends the first phase (published: 0.85 and 0.90)"
    )
    start_share: float = Field(
        default=1.0, gt=0, le=1, description="share of `epochs` that ends the first phase where that is not reached"
    )
    relabel: RelabelPhase = RelabelPhase()
    oracle_every: OracleEvery = None

    @property
    def last_plain_epoch(self) -> int:
        """The epoch (from 0) with which the first phase ends at the latest."""
        return max(1, round(self.start_share * self.epochs)) - 1

    @property
    def all_epochs(self) -> int:
        """Those of both phases; the first may end before."""
        return self.last_plain_epoch + 1 + self.relabel.epochs

    def phase_one(self) -> FitConfig:
        """The first phase: training goes on from its last weights, so no epoch is chosen."""
        return self._fit_config({"select": "last"})

    def phase_two(self) -> FitConfig:
        """The second phase."""
        return self._fit_config(self.relabel.model_dump())

    def _fit_config(self, changes: dict[str, Any]) -> FitConfig:
        return FitConfig(**{**{name: getattr(self, name) for name in FitConfig.model_fields}, **changes})


def run(context: TrainContext) -> dict[str, Any]:
    """Train all folds of the shard in both phases."""
    from fernas.core.io import append_jsonl, atomic_path, read_jsonl, write_text
    from fernas.training._shard import train_shard
    from fernas.training.swaps import Swaps, make_rule

    rule = make_rule(context.options, context.classes)
    cost = train_shard(context, lambda fold: TwoPhases(fold, Swaps(fold.task.train, context.classes, rule)).train())
    with atomic_path(context.out_dir / "relabel.jsonl") as temporary:
        write_text(temporary, "")
        for task in context.folds:
            for row in read_jsonl(_log_path(context, task.fold)):
                append_jsonl(temporary, row)
    return cost


def _log_path(context: TrainContext, fold: int) -> Path:
    """Where the log of a finished fold waits until the shard is complete."""
    return context.checkpoint.folder / f"fold{fold}.relabel.jsonl"


@dataclass(frozen=True)
class PlainPhase:
    """How the first phase ended: its epochs, the last training accuracy, whether that was high enough, images used."""

    epochs: int
    accuracy: float
    reached: bool
    images: int
    evaluated: int


class TwoPhases:
    """The training of one fold. A checkpoint holds the phase, what the first one reached, and the running fit."""

    def __init__(self, fold: "FoldRun", swaps: "Swaps") -> None:
        self.fold, self.swaps = fold, swaps
        self.options: RelabelConfig = fold.context.options

    def train(self) -> "Fitted":
        """Both phases, or what is left of them after a kill."""
        resume = self.fold.resume
        if resume is None or resume["phase"] == "plain":
            plain, running = self._plain(None if resume is None else resume["fit"]), None
        else:
            plain, running = PlainPhase(**resume["plain"]), resume["fit"]
            self.swaps.load(resume["swaps"])
        fitted = self._relabel(plain, running)
        self._write_log(plain)
        fitted.images += plain.images
        fitted.evaluated += plain.evaluated
        return fitted

    def _plain(self, running: dict[str, Any] | None) -> PlainPhase:
        options = self.options

        def stop(row: dict[str, Any]) -> bool:
            return row["accuracy"] >= options.start_accuracy or row["epoch"] >= options.last_plain_epoch

        snapshots = self.fold.snapshots.nested({"phase": "plain", "plain": {}}, "fit")
        fitted = replace(self.fold, snapshots=snapshots, resume=running).fit(
            options.phase_one(), lambda row, _: self._record(row, "plain"), stop=stop
        )
        accuracy = fitted.rows[-1]["accuracy"]
        reached = accuracy >= options.start_accuracy
        return PlainPhase(len(fitted.rows), accuracy, reached, fitted.images, fitted.evaluated)

    def _relabel(self, plain: PlainPhase, running: dict[str, Any] | None) -> "Fitted":
        def on_epoch(row: dict[str, Any], net: "nn.Module") -> None:
            self.fold.copy_weights(row, net)
            counts = self.swaps.close(row["epoch"])
            self._record({**row, "swaps": counts["swaps"], "near_ties": counts["near_ties"]}, "relabel")

        # the account of swaps changes within an epoch, so a snapshot asks for it when it is taken
        outer = {"phase": "relabel", "plain": asdict(plain), "swaps": self.swaps.state}
        snapshots = self.fold.snapshots.nested(outer, "fit")
        # streams of its own, since both phases count their epochs from 0
        seed = derive_seed(self.fold.seed, "relabel")
        second = replace(self.fold, seed=seed, snapshots=snapshots, resume=running)
        return second.fit(self.options.phase_two(), on_epoch, relabel=self.swaps.relabel)

    def _record(self, row: dict[str, Any], phase: str) -> None:
        counts = {name: float(row[name]) for name in ("swaps", "near_ties") if name in row}
        self.fold.record(row, {"phase": phase}, phase=phase, **counts)

    def _write_log(self, plain: PlainPhase) -> None:
        from fernas.core.io import append_jsonl, atomic_path, write_text

        fold = self.fold.task.fold
        first = {"kind": "start", **asdict(plain), "said": start_message(self.options, plain)}
        with atomic_path(_log_path(self.fold.context, fold)) as temporary:
            write_text(temporary, "")
            for row in (first, *self.swaps.report(self.options.phase_two().epochs)):
                append_jsonl(temporary, {"fold": fold, **row})


def start_message(options: RelabelConfig, plain: PlainPhase) -> str:
    """Why the second phase started when it did, in one sentence."""
    wanted, got = 100 * options.start_accuracy, 100 * plain.accuracy
    if plain.reached:
        accuracy = f"a training accuracy of {got:.1f} % (asked: {wanted:g})"
        return f"relabelling starts after {plain.epochs} epochs at {accuracy}"
    return (
        f"the training accuracy of {wanted:g} % was not reached (got {got:.1f} %): relabelling starts after "
        f"{options.start_share:g} of the epochs ({plain.epochs} of {options.epochs})"
    )


PLUGIN = RecipePlugin("relabel", "relabelled near ties (Auto-FERNet)", RelabelConfig, run)
