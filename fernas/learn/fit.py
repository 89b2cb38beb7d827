"""Fit one network on one train split: the loop that recipes and candidate-training searches share.

One step minimises, with the auxiliary head's logits z' where the network has one and class weights w,

    L = sum_i w(y_i) [CE(z_i, y_i) + aux_weight CE(z'_i, y_i)] / sum_i w(y_i)

All randomness of an epoch derives from (seed, epoch), so nothing but the step has to be saved within one. Whoever
changes this loop must keep the order of random draws: the seed of an epoch sets torch's global generator (drop path,
dropout) and one generator on the CPU (augmentation), and the order of samples comes from numpy.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.errors import ContractError, ScienceError
from fernas.core.seeds import derive_seed
from fernas.learn.arrays import ArrayPart
from fernas.learn.augment import Augmenter
from fernas.learn.batches import epoch_batches
from fernas.learn.config import FitConfig, effective_batch
from fernas.learn.evaluate import evaluate, forward, network_inputs
from fernas.learn.history import Snapshots
from fernas.learn.passes import Passes
from fernas.learn.runtime import load_random_state, random_state
from fernas.learn.schedules import cosine, ramp
from fernas.spaces.networks import set_drop_path

# (logits (B, K), labels (B,), epoch, positions in the part (B,)) -> labels to learn from (B,)
Relabel = Callable[[Tensor, Tensor, int, np.ndarray], Tensor]
Row = dict[str, Any]  # of one epoch


@dataclass(frozen=True)
class Hooks:
    """What goes on around a fit: where it saves, what it continues from, who is called.

    Attributes:
        snapshots: where to save after an epoch, and within a long one, when that is due.
        resume: the state that an earlier call saved.
        on_epoch: called with each finished epoch's row and the network, before a snapshot is taken.
        on_step: called after each step (heartbeats).
        relabel: may replace the labels of a batch, given its training-mode logits.
        stop: given the row of the last finished epoch, whether to end here.
    """

    snapshots: Snapshots | None = None
    resume: dict[str, Any] | None = None
    on_epoch: Callable[[Row, nn.Module], None] | None = None
    on_step: Callable[[], None] | None = None
    relabel: Relabel | None = None
    stop: Callable[[Row], bool] | None = None


NO_HOOKS = Hooks()


@dataclass
class Fitted:
    """The outcome of `fit`: the network holds the chosen weights.

    Attributes:
        epoch: the epoch whose weights were chosen.
        score: the inner-validation UAR there, or None when the last epoch was taken.
        images: images that went forward and backward.
        evaluated: images that went forward only.
        micro_batch: samples per pass after out-of-memory fallbacks; None when whole batches fitted.
        rows: one per epoch.
        rejected_images, rejected_evaluated: of `images` and `evaluated`, those of trainings that were rejected.
    """

    epoch: int = -1
    score: float | None = None
    images: int = 0
    evaluated: int = 0
    micro_batch: int | None = None
    rows: list[Row] = field(default_factory=list)
    rejected_images: int = 0
    rejected_evaluated: int = 0


@dataclass(frozen=True)
class _Batch:
    """Augmented images (B, C, h, w), nose tips (B, 2) or None, labels (B,), and positions in the part (B,)."""

    images: Tensor
    noses: Tensor | None
    labels: Tensor
    indices: np.ndarray


def class_weights(labels: np.ndarray, classes: int, kind: str) -> Tensor | None:
    """Class weights in the loss: None, or n / (present classes * n_c), zero for an absent class; float32 (K,)."""
    if kind == "none":
        return None
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    weights = np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def make_optimiser(net: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """SGD with momentum or Adam over all parameters."""
    if config.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(net.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


class _Loop:
    """The state of one fit between epochs."""

    def __init__(self, net: nn.Module, train: ArrayPart, config: FitConfig, classes: int, device: torch.device) -> None:
        self.net = net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train, self.config, self.classes, self.device = train, config, classes, device
        self.optimiser = make_optimiser(self.net, config)
        self.augment = Augmenter(config.augment)
        weights = class_weights(train.labels, classes, config.class_weights)
        self.weights = None if weights is None else weights.to(device)
        self.passes = Passes(config.micro_batch, device)
        self.best: dict[str, Tensor] = {}
        self.best_key = (-math.inf, -math.inf)
        self.best_epoch = -1
        self.images = self.evaluated = 0
        self.rows: list[Row] = []
        self.within: dict[str, Any] | None = None  # where a snapshot in the middle of an epoch stands

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "best_key": list(self.best_key),
            "best_epoch": self.best_epoch,
            "images": self.images,
            "evaluated": self.evaluated,
            "micro_batch": self.passes.size,
            "rows": list(self.rows),
            "within": self.within,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best = {name: tensor.to(self.device) for name, tensor in state["best"].items()}
        self.best_key = (float(state["best_key"][0]), float(state["best_key"][1]))
        self.best_epoch = int(state["best_epoch"])
        self.images, self.evaluated = int(state["images"]), int(state["evaluated"])
        self.passes.size = state["micro_batch"]
        self.rows = list(state["rows"])
        self.within = state.get("within")

    def loss_sum(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, weight=self.weights, reduction="sum")

    def total_weight(self, labels: Tensor) -> Tensor:
        """What a batch's summed loss is divided by: its size, or the sum of its samples' class weights."""
        if self.weights is None:
            return torch.tensor(float(len(labels)), device=self.device)
        return self.weights[labels].sum()

    def step(
        self, indices: np.ndarray, generator: torch.Generator, epoch: int, relabel: Relabel | None
    ) -> tuple[float, int]:
        """One optimiser step on the samples at `indices`; returns the summed loss and the number of hits."""
        images, noses = network_inputs(self.train, indices, self.augment, generator, self.device)
        labels = torch.from_numpy(self.train.labels[indices]).to(self.device)
        batch = _Batch(images, noses, labels, indices)
        return self.passes.run(len(indices), lambda slices: self._accumulate(batch, slices, epoch, relabel))

    def _accumulate(self, batch: _Batch, slices: list[slice], epoch: int, relabel: Relabel | None) -> tuple[float, int]:
        """Gradients of the batch's mean loss, pass by pass, then one optimiser step."""
        self.optimiser.zero_grad(set_to_none=True)
        # The divisor is that of the whole batch and of its stored labels, so that passes add up to the same gradient.
        total = self.total_weight(batch.labels)
        loss_sum, correct = 0.0, 0
        for part in slices:
            logits, auxiliary = forward(
                self.net, batch.images[part], None if batch.noses is None else batch.noses[part]
            )
            target = batch.labels[part]
            if relabel is not None:
                target = relabel(logits.detach(), target, epoch, batch.indices[part])
            loss = self.loss_sum(logits, target)
            loss_sum += float(loss.detach())
            if auxiliary is not None:
                loss = loss + self.config.aux_weight * self.loss_sum(auxiliary, target)
            (loss / total).backward()
            correct += int((logits.detach().argmax(1) == target).sum())
        if not math.isfinite(loss_sum):
            raise ScienceError(f"the training loss became {loss_sum} in epoch {epoch} (learning rate {self.lr():g})")
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        self.optimiser.step()
        # times the batch's size: the epoch's loss is a mean over samples, with class weights too
        return loss_sum / float(total) * len(batch.labels), correct

    def lr(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def schedule(self, epoch: int) -> tuple[float, float]:
        """Set learning rate and drop path of an epoch, and return both."""
        config = self.config
        lr = cosine(epoch, config.epochs, config.lr, config.lr_min, config.schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        drop_path = ramp(epoch, config.epochs, config.drop_path_start, config.drop_path)
        set_drop_path(self.net, drop_path)
        return lr, drop_path

    def consider(self, epoch: int, score: float | None, loss: float | None) -> None:
        """Keep this epoch's weights when they are the best so far (UAR, then the lower loss), or always for `last`."""
        if self.config.select == "last":
            self.best_epoch = epoch  # the network itself holds the last weights
            return
        assert score is not None and loss is not None
        key = (score, -loss)
        if self.best_epoch < 0 or key > self.best_key:
            self.best_key, self.best_epoch = key, epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}


def fit(
    net: nn.Module,
    train: ArrayPart,
    inner: ArrayPart,
    *,
    config: FitConfig,
    classes: int,
    seed: int,
    device: torch.device,
    hooks: Hooks = NO_HOOKS,
) -> Fitted:
    """Train `net` in place and leave the chosen weights in it.

    Inner validation or the last epoch decides which weights count. No test sample gets here. A run that continues
    from a checkpoint gives the same bits.

    Args:
        net: the network, with its starting weights.
        train: the samples to learn from.
        inner: inner validation; scored after each epoch when it has samples.
        config: the options.
        classes: number of classes K.
        seed: base seed of this network's training.
        device: where to compute.
        hooks: where to save, what to continue from, who is called.

    Raises:
        ScienceError: the loss is not finite, or memory does not suffice for the smallest pass.
        ContractError: no training samples, or no inner validation where it must choose the epoch.
    """
    if not len(train):
        raise ContractError("training: the training part has no samples")
    if config.select == "inner_validation" and not len(inner):
        raise ContractError("training: select is inner_validation, but that part has no samples; use select: last")
    if getattr(net, "needs_noses", False):
        # Unknown nose tips become the mean of this train split, which the model carries: test faces never enter it.
        net.set_mean_nose(train.noses)  # type: ignore[operator]
        mean = net.mean_nose.cpu().numpy()  # type: ignore[union-attr]
        train, inner = train.with_noses(mean), inner.with_noses(mean)
    loop = _Loop(net, train, config, classes, device)
    if hooks.resume is not None:
        loop.load(hooks.resume)
    for epoch in range(len(loop.rows), config.epochs):
        if hooks.stop is not None and loop.rows and hooks.stop(loop.rows[-1]):
            break
        loop.rows.append(_scored_epoch(loop, inner, epoch, seed, hooks))
        if hooks.on_epoch is not None:
            hooks.on_epoch(loop.rows[-1], loop.net)
        if hooks.snapshots is not None and (hooks.snapshots.due() or epoch + 1 == config.epochs):
            hooks.snapshots.save(loop.state())
    if loop.best:
        loop.net.load_state_dict(loop.best)
    score = loop.best_key[0] if loop.best else None
    return Fitted(loop.best_epoch, score, loop.images, loop.evaluated, loop.passes.size, loop.rows)


def _scored_epoch(loop: _Loop, inner: ArrayPart, epoch: int, seed: int, hooks: Hooks) -> Row:
    """One epoch and its scores on inner validation; returns the epoch's row."""
    row = _epoch(loop, epoch, seed, hooks)
    scores = evaluate(loop.net, inner, loop.config.augment, loop.classes, loop.device) if len(inner) else {}
    loop.evaluated += len(inner)
    row.update({f"inner_{name}": value for name, value in scores.items()})
    loop.consider(epoch, scores.get("uar"), scores.get("loss"))
    row["seconds"] = round(time.perf_counter() - row.pop("start"), 3)
    row["micro_batch"] = loop.passes.size
    return row


def _epoch(loop: _Loop, epoch: int, seed: int, hooks: Hooks) -> Row:
    """One pass over the train split, or the rest of one; returns the beginnings of the epoch's row."""
    start = time.perf_counter()
    torch.manual_seed(derive_seed(seed, "epoch", epoch))  # drop path and dropout
    generator = torch.Generator().manual_seed(derive_seed(seed, "augment", epoch))
    lr, drop_path = loop.schedule(epoch)
    loop.net.train()
    first, loss_sum, correct = 0, 0.0, 0
    # A snapshot within the epoch holds both generators where they stood; the order of samples needs the seed alone.
    if loop.within is not None:
        first, loss_sum, correct = (loop.within[name] for name in ("step", "loss", "correct"))
        # the steps before the interruption took time too
        start -= loop.within["seconds"]
        load_random_state(loop.within["random"], generator, loop.device)
        loop.within = None
    batches = epoch_batches(len(loop.train), effective_batch(loop.config, len(loop.train)), seed, epoch)
    for step, indices in enumerate(batches[first:], start=first + 1):
        loss, hits = loop.step(indices, generator, epoch, hooks.relabel)
        loss_sum, correct = loss_sum + loss, correct + hits
        if hooks.on_step is not None:
            hooks.on_step()
        if hooks.snapshots is not None and step < len(batches) and hooks.snapshots.due_within():
            loop.within = {"step": step, "loss": loss_sum, "correct": correct}
            loop.within["seconds"] = time.perf_counter() - start
            loop.within["random"] = random_state(generator, loop.device)
            hooks.snapshots.save(loop.state())
            loop.within = None
    loop.images += len(loop.train)
    return {
        "start": start,
        "epoch": epoch,
        "lr": lr,
        "drop_path": drop_path,
        "loss": loss_sum / len(loop.train),
        "accuracy": correct / len(loop.train),
        "images": loop.images,
    }
