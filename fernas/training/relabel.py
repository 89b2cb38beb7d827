"""Auto-FERNet's recipe: plain training until a training accuracy is reached, then training with relabelled near ties.

In the second phase each batch is answered first; with q = softmax(logits), y the stored label, k = argmax q:

    strategy 1:  q_k - q_y < margin                                            -> learn from k instead of y
    strategy 2:  0 < q_k - q_y < margin and FES(y, k) > fes_threshold          -> learn from k instead of y

The replaced label serves this batch only; stored labels never change; the phase's first epoch replaces nothing.
What was swapped, and what became of it, is written to relabel.jsonl beside training.jsonl.
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.learn.config import AugmentConfig, FitConfig, Options
from fernas.training.context import RecipePlugin, TrainContext
from fernas.training.oracle import OracleOptions

if TYPE_CHECKING:
    from torch import nn

    from fernas.learn.fit import Fitted
    from fernas.training._shard import FoldStart


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


class RelabelConfig(OracleOptions):
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

    @property
    def last_plain_epoch(self) -> int:
        """The epoch (from 0) with which the first phase ends at the latest."""
        return max(1, round(self.start_share * self.epochs)) - 1

    def phase_one(self) -> FitConfig:
        """The first phase: its last weights go on, so that no epoch is chosen."""
        fields = {name: getattr(self, name) for name in FitConfig.model_fields}
        return FitConfig(**{**fields, "select": "last"})

    def phase_two(self) -> FitConfig:
        """The second phase."""
        fields = {name: getattr(self, name) for name in FitConfig.model_fields}
        return FitConfig(**{**fields, **self.relabel.model_dump()})


def run(context: TrainContext) -> float:
    """Train all folds of the shard in both phases."""
    from fernas.core.io import append_jsonl, atomic_path, read_jsonl, write_text
    from fernas.training._shard import epoch_metrics, keep_copy, train_shard
    from fernas.training.swaps import Swaps, make_rule

    options: RelabelConfig = context.options
    rule = make_rule(options, context.classes)
    notes = context.checkpoint.folder

    def fit_fold(start: "FoldStart") -> "Fitted":
        from fernas.core.seeds import derive_seed
        from fernas.learn.fit import fit

        task, net, seed, resume, snapshots = start.task, start.net, start.seed, start.resume, start.snapshots
        swaps = Swaps(task.train, context.classes, rule)
        outer: dict[str, Any] = {"phase": "plain", "plain": {}}

        def ended(row: dict[str, Any]) -> bool:
            return row["accuracy"] >= options.start_accuracy or row["epoch"] >= options.last_plain_epoch

        def note(row: dict[str, Any]) -> None:
            curves = {**epoch_metrics(task.fold, row), "phase": outer["phase"]}
            counted = {name: float(row[name]) for name in ("swaps", "near_ties") if name in row}
            start.history.add({"fold": task.fold, "phase": outer["phase"], **row}, **curves, **counted)

        common: dict[str, Any] = {
            "classes": len(context.classes),
            "device": start.device,
            "on_step": context.log.heartbeat,
        }
        if resume is None or resume["phase"] == "plain":
            plain = fit(
                net,
                task.train,
                task.inner,
                config=options.phase_one(),
                seed=seed,
                snapshots=snapshots.nested(outer, "fit"),
                resume=None if resume is None else resume["fit"],
                on_epoch=lambda row, _: note(row),
                stop=ended,
                **common,
            )
            reached = plain.rows[-1]["accuracy"] >= options.start_accuracy
            outer["plain"] = {
                "epochs": len(plain.rows),
                "accuracy": plain.rows[-1]["accuracy"],
                "reached": reached,
                "images": plain.images,
                "evaluated": plain.evaluated,
            }
            running = None
        else:
            outer["plain"], running = resume["plain"], resume["fit"]
            swaps.load(resume["swaps"])
        outer["phase"], outer["swaps"] = "relabel", swaps.state  # called whenever a snapshot is taken

        def on_epoch(row: dict[str, Any], net: "nn.Module") -> None:
            keep_copy(context, task.fold, row, net)
            found = swaps.close(row["epoch"])
            note({**row, "swaps": found["swaps"], "near_ties": found["near_ties"]})

        fitted = fit(
            net,
            task.train,
            task.inner,
            config=options.phase_two(),
            seed=derive_seed(seed, "relabel"),
            snapshots=snapshots.nested(outer, "fit"),
            resume=running,
            on_epoch=on_epoch,
            relabel=swaps.relabel,
            **common,
        )
        opening = {"fold": task.fold, "kind": "start", **outer["plain"], "said": said(options, outer["plain"])}
        rows = [opening, *({"fold": task.fold, **row} for row in swaps.report(options.phase_two().epochs))]
        with atomic_path(notes / f"fold{task.fold}.relabel.jsonl") as temporary:
            write_text(temporary, "")
            for row in rows:
                append_jsonl(temporary, row)
        fitted.images += outer["plain"]["images"]
        fitted.evaluated += outer["plain"]["evaluated"]
        return fitted

    spent = train_shard(context, fit_fold)
    with atomic_path(context.history_path.parent / "relabel.jsonl") as temporary:
        write_text(temporary, "")
        for task in context.folds:
            for row in read_jsonl(notes / f"fold{task.fold}.relabel.jsonl"):
                append_jsonl(temporary, row)
    return spent


def said(options: RelabelConfig, plain: dict[str, Any]) -> str:
    """From where the second phase started, in one sentence."""
    wanted, got = 100 * options.start_accuracy, 100 * plain["accuracy"]
    if plain["reached"]:
        accuracy = f"a training accuracy of {got:.1f} % (asked: {wanted:g})"
        return f"relabelling starts after {plain['epochs']} epochs at {accuracy}"
    return (
        f"the training accuracy of {wanted:g} % was not reached (got {got:.1f} %): relabelling starts after "
        f"{options.start_share:g} of the epochs ({plain['epochs']} of {options.epochs})"
    )


PLUGIN = RecipePlugin("relabel", "relabelled near ties (Auto-FERNet)", RelabelConfig, run)
