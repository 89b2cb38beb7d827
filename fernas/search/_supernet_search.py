"""The engine of the gradient-based searches: a supernet whose two kinds of parameters learn in turns.

Every edge of a supernet's cell mixes all operations o of the space,

    out = sum over o of softmax(alpha)_o o(x),

so that the architecture becomes a table of numbers alpha with gradients. DARTS (Liu et al., ICLR 2019) poses the search
as a problem on two levels (equations 3 and 4),

    min over alpha of L_selection(w*(alpha), alpha),    w*(alpha) = argmin over w of L_weights(w, alpha),

and solves it approximately, in alternating steps (algorithm 1, with xi = 0 the first order):

    1. alpha <- alpha - Adam(grad_alpha L_selection(w, alpha)),
    2. w <- w - SGD(grad_w L_weights(w, alpha)), clipped, with momentum, at a rate that falls as a cosine.

`SupernetSearch` holds one such search; `run_epochs` runs it, writes its history and saves it. DARTS of both orders,
P-DARTS, PC-DARTS and SGAS are subclasses.

What must stay true:

- Who learns from what. Alphas take gradients from the selection part alone, weights from the weights part alone. Inner
  validation is only scored. No test sample comes here at all.
- The order of random draws. Streams derive from the seed by name: `init`, the order of the batches of each part,
  `epoch` (dropout), `augment`. In a step the weights batch is drawn before the selection batch, in warm-up epochs no
  selection batch is drawn. Another order changes every published number, though none would be wrong.
- The meter counts what is computed: an image forward is one supernet pass, forward and backward three. What
  `SearchPlugin.budget` predicts must be what is spent (a contract test).
- Resuming. `state` holds all that the next step depends on: the network with its alphas and running statistics, both
  optimisers, the place in both batch orders, the images so far, and how many samples go through at once. In the middle
  of an epoch it also holds the losses so far and the state of the random numbers (`within`). An interrupted search
  equals an uninterrupted one bit by bit (a contract test kills it).
- The fast supernet computes only the gradients that `require_gradients` asks for; whoever calls `backward` goes through
  `gradients`.

What subclasses may change: the supernet (`make_net`, `cost`), the alpha step (`learns_alphas`, `alpha_gradients`,
`alpha_step`), what an epoch adds (`epoch`), how alphas become an architecture (`alphas`, `discretised`), and `state`
and `load` where they hold more state.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.architecture import CellsArchitecture
from fernas.core.errors import ScienceError
from fernas.core.seeds import derive_seed
from fernas.learn.augment import Augmenter
from fernas.learn.batches import CyclingBatches
from fernas.learn.config import effective_batch
from fernas.learn.evaluate import evaluate, network_inputs
from fernas.learn.fit import class_weights
from fernas.learn.history import History, Snapshots
from fernas.learn.passes import Passes
from fernas.learn.runtime import load_random_state, random_state
from fernas.learn.schedules import cosine
from fernas.search._curvature import curvature
from fernas.search._supernet_options import MixedConfig, SupernetConfig, supernet_cost, training_shape
from fernas.search.context import SearchContext, SearchSession
from fernas.spaces import kernels
from fernas.spaces.supernet import SKIP, discretise, make_supernet, require_gradients
from fernas.spaces.supernet.plain import Supernet

Batch = tuple[Tensor, Tensor]  # images (B, C, h, w), labels (B,)


class SupernetSearch:
    """One gradient-based search: its supernet, its optimisers, and where it stands between two steps."""

    look_ahead_passes = 0  # passes over the weights batch in an alpha step, beside the one over the selection batch

    def __init__(self, context: SearchContext, device: torch.device, cells: int | None = None) -> None:
        """`cells`: those of the supernet, for methods that search more than one."""
        options: SupernetConfig = context.options
        # of the supernet from here on; whoever writes the architecture has the context with the final network
        context = dataclasses.replace(context, network=options.supernet_network(context.network))
        self.context, self.options, self.device = context, options, device
        self.cells = cells or context.network.cells
        self.seed = derive_seed(context.seed, "supernet", self.cells)
        # before the network is built: its starting weights are drawn from torch's own stream
        torch.manual_seed(derive_seed(self.seed, "init"))
        self.net = self.make_net().to(device)
        self.adam = torch.optim.Adam(
            self.net.alphas(), lr=options.alpha_lr, betas=options.alpha_betas, weight_decay=options.alpha_weight_decay
        )
        self.sgd = torch.optim.SGD(
            self.net.weights(), lr=options.lr, momentum=options.momentum, weight_decay=options.weight_decay
        )
        self.train = self._cycle("weights", len(context.weights))
        self.select = self._cycle("selection", len(context.selection))
        self.augment = Augmenter(options.augment)
        weights = class_weights(context.weights.labels, len(context.classes), options.class_weights)
        self.class_weights = None if weights is None else weights.to(device)
        self.images = 0
        self.passes = Passes(None, device)
        self.within: dict[str, Any] | None = None  # where a snapshot in the middle of an epoch stands
        self.on_step: Callable[[], None] | None = None  # called between two steps of an epoch
        self.count_macs()

    def make_net(self) -> Supernet:
        """The supernet with fresh weights and alphas."""
        context = self.context
        sizes = (context.space_name, self.cells, context.network.channels, context.input_shape[0], len(context.classes))
        return make_supernet(*sizes, self.options.form, stem=context.network.stem)

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the supernet on one image (C, H, W), forward."""
        return supernet_cost(self.context.size.of_one_image(shape), self.cells)

    def count_macs(self) -> None:
        """Note what an image costs: cropped in training, whole in evaluation."""
        shape = self.context.input_shape
        self.macs_train, self.macs_full = self.cost(training_shape(self.options.augment, shape)), self.cost(shape)

    def _cycle(self, part: str, samples: int) -> CyclingBatches:
        batch = effective_batch(self.options, samples)
        return CyclingBatches(samples, batch, derive_seed(self.seed, part))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "net": self.net.state_dict(),
            "adam": self.adam.state_dict(),
            "sgd": self.sgd.state_dict(),
            "train": self.train.state(),
            "select": self.select.state(),
            "images": self.images,
            "micro_batch": self.passes.size,
            "within": self.within,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.net.load_state_dict(state["net"])
        self.adam.load_state_dict(state["adam"])
        self.sgd.load_state_dict(state["sgd"])
        self.train.load(state["train"])
        self.select.load(state["select"])
        self.images, self.passes.size, self.within = int(state["images"]), state["micro_batch"], state["within"]

    def batch(self, part: str, generator: torch.Generator) -> Batch:
        """The next augmented batch of a part, `weights` or `selection`."""
        samples, order = (
            (self.context.weights, self.train) if part == "weights" else (self.context.selection, self.select)
        )
        indices = order.next()
        images, _ = network_inputs(samples, indices, self.augment, generator, self.device)
        return images, torch.from_numpy(samples.labels[indices]).to(self.device)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Weighted mean cross entropy of the supernet on a batch."""
        return F.cross_entropy(self.net(images), labels, weight=self.class_weights)

    def gradients(self, batch: Batch, of: str) -> float:
        """Leave the gradients of the batch's mean loss in the `alphas`, the `weights` or `both`; returns the loss.

        Where memory does not suffice, the batch goes through in halves whose gradients add up (the batch statistics of
        BatchNorm are then those of the halves; the size is recorded in the history).
        """
        parameters = {"alphas": self.net.alphas, "weights": self.net.weights, "both": self.all_parameters}[of]()
        require_gradients(self.net, alphas=of != "weights", weights=of != "alphas")
        try:
            return self.passes.run(len(batch[1]), lambda slices: self._accumulate(slices, batch, parameters))
        finally:
            require_gradients(self.net, alphas=True, weights=True)

    def all_parameters(self) -> list[nn.Parameter]:
        """Weights, then alphas."""
        return [*self.net.weights(), *self.net.alphas()]

    def _accumulate(self, slices: list[slice], batch: Batch, parameters: list[nn.Parameter]) -> float:
        # here, not in the caller: a repetition with smaller slices must not add to the gradients of the failed one
        for parameter in parameters:
            parameter.grad = None
        images, labels = batch
        ones = torch.ones(len(labels), device=self.device)
        weight = ones if self.class_weights is None else self.class_weights[labels]
        total = 0.0
        for part in slices:
            loss = self.loss(images[part], labels[part])
            if len(slices) > 1:
                # cross_entropy divides by the weights of its slice; their sum must divide by those of the batch
                loss = loss * (weight[part].sum() / weight.sum())
            loss.backward()
            total += float(loss.detach())
        return total

    def alpha_gradients(self, selection: Batch, train: Batch) -> float:
        """Leave the alphas' gradients in place; returns the selection loss. `train` is for the second order."""
        return self.gradients(selection, "alphas")

    def learns_alphas(self, epoch: int) -> bool:
        """Whether alphas learn in this epoch."""
        return epoch >= self.options.warmup_epochs

    def alpha_step(self, selection: Batch, train: Batch) -> float:
        """One step of Adam on the alphas; returns the selection loss."""
        loss = self.alpha_gradients(selection, train)
        self.adam.step()
        return loss

    def epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the weights part, or the rest of one, an alpha step before each weights step; the losses."""
        lr = self._begin(epoch)
        with_alphas = self.learns_alphas(epoch)
        alpha_loss, weight_loss = self._losses_so_far()
        for step in range(len(weight_loss) + 1, len(self.train) + 1):
            train = self.batch("weights", self.generator)
            if with_alphas:
                selection = self.batch("selection", self.generator)
                alpha_loss.append(self.alpha_step(selection, train))
                self._spend(len(selection[1]) + self.look_ahead_passes * len(train[1]))
            weight_loss.append(self.gradients(train, "weights"))
            # before the step: a NaN in the weights would only show epochs later
            if not math.isfinite(weight_loss[-1]) or (alpha_loss and not math.isfinite(alpha_loss[-1])):
                raise ScienceError(f"the search loss is not finite in epoch {epoch} (learning rate {lr:g})")
            nn.utils.clip_grad_norm_(self.net.weights(), self.options.clip)
            self.sgd.step()
            self._spend(len(train[1]))
            self.context.log.heartbeat()
            # not after the last step: the epoch's own snapshot follows, with its row in the history
            if self.on_step is not None and step < len(self.train):
                self.within = {"alpha_loss": alpha_loss, "weight_loss": weight_loss}
                self.on_step()
                self.within = None
        return {
            "lr": lr,
            "alpha_loss": float(np.mean(alpha_loss)) if alpha_loss else None,
            "weight_loss": float(np.mean(weight_loss)),
        }

    def _begin(self, epoch: int) -> float:
        """Set the random streams, the learning rate of the weights (returned) and training mode."""
        # anew in each epoch, so that a search resumed at its start needs no state of the random numbers
        torch.manual_seed(derive_seed(self.seed, "epoch", epoch))
        self.generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", epoch))
        options = self.options
        lr = cosine(epoch, options.epochs, options.lr, options.lr_min, options.schedule)
        for group in self.sgd.param_groups:
            group["lr"] = lr
        self.net.train()
        return lr

    def _losses_so_far(self) -> tuple[list[float], list[float]]:
        """(alpha losses, weight losses) of the epoch's steps that were done before an interruption."""
        if self.within is None:
            return [], []
        losses = list(self.within["alpha_loss"]), list(self.within["weight_loss"])
        load_random_state(self.within["random"], self.generator, self.device)
        self.within = None
        return losses

    def _spend(self, images: int) -> None:
        self.images += images
        self.context.budget.spend(self.macs_train, images)

    def validate(self) -> dict[str, Any]:
        """Inner-validation scores of the supernet with its inherited weights, evaluation mode."""
        inner = self.context.inner_validation
        if not len(inner):
            return {}
        self.context.budget.spend(self.macs_full, len(inner), backward=False)
        scores = evaluate(self.net, inner, self.options.augment, len(self.context.classes), self.device)
        return {f"inner_{name}": value for name, value in scores.items()}

    def discretised(self) -> CellsArchitecture:
        """The architecture of the present alphas."""
        return discretise(self.context.space_name, *self.alphas())

    def alphas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw alphas, normal and reduce, on the CPU."""
        normal, reduce = (alpha.detach().cpu().clone() for alpha in self.net.alphas())
        return normal, reduce


def run_epochs(
    engine: SupernetSearch, history: History, snapshots: Snapshots, resume: dict[str, Any] | None
) -> tuple[Tensor, Tensor]:
    """All epochs of one search, continued from its saved state `resume` where there is one; returns the alphas."""
    first, options = 0, engine.options
    if resume is not None:
        engine.load(resume["state"])
        first = int(resume["epoch"])
    for epoch in range(first, options.epochs):
        start = time.perf_counter()
        engine.on_step = functools.partial(_save_within, engine, snapshots, epoch)
        row = {"epoch": epoch, "cells": engine.cells, **engine.epoch(epoch)}
        if (epoch + 1) % options.validate_every == 0 or epoch + 1 == options.epochs:
            row.update(engine.validate())
        if isinstance(options, MixedConfig) and options.measures_curvature(epoch):
            row["eig_max"] = curvature(engine, options.curvature_steps)
        row.update(describe(engine))
        row["seconds"] = round(time.perf_counter() - start, 3)
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        history.add(row, **{name: value for name, value in numbers.items() if name not in ("epoch", "cells")})
        if snapshots.due() or epoch + 1 == options.epochs:
            snapshots.save({"epoch": epoch + 1, "state": engine.state()})
    return engine.alphas()


def run_alone(engine: SupernetSearch, session: SearchSession) -> None:
    """`run_epochs` for a method that is one search and nothing beside it."""
    resume = session.state["engine"] if session.state else None
    run_epochs(engine, session.history, session.snapshots.nested({}, "engine"), resume)


def _save_within(engine: SupernetSearch, snapshots: Snapshots, epoch: int) -> None:
    """Save between two steps of an epoch when that is due."""
    if snapshots.due_within():
        assert engine.within is not None
        engine.within["random"] = random_state(engine.generator, engine.device)
        snapshots.save({"epoch": epoch, "state": engine.state()})


def describe(engine: SupernetSearch) -> dict[str, Any]:
    """Where the search stands: entropies, skips of the current discretisation, what it spent, the alphas."""
    normal, reduce = engine.alphas()
    # the losses may still be finite: discretising NaN would give an arbitrary architecture without a word
    if not bool(torch.isfinite(normal).all() and torch.isfinite(reduce).all()):
        raise ScienceError("an alpha became infinite or NaN")
    architecture = engine.discretised()
    return {
        "entropy_normal": mean_entropy(normal),
        "entropy_reduce": mean_entropy(reduce),
        "skips_normal": count_skips(architecture.normal),
        "skips_reduce": count_skips(architecture.reduce),
        "images": engine.images,
        "spent_macs": engine.context.budget.spent,
        "micro_batch": engine.passes.size,
        "alpha_normal": [[round(float(v), 7) for v in edge] for edge in normal],
        "alpha_reduce": [[round(float(v), 7) for v in edge] for edge in reduce],
        "normal": [list(pair) for pair in architecture.normal],
        "reduce": [list(pair) for pair in architecture.reduce],
    }


def mean_entropy(alpha: Tensor) -> float:
    """Mean over the edges of the entropy of softmax(alpha), in nats; ln(operations) at the start, 0 when decided."""
    p = F.softmax(alpha.double(), -1)
    return float(torch.special.entr(p).sum(-1).mean())


def count_skips(cell: tuple[tuple[str, int], ...]) -> int:
    """Number of skip connections in a cell."""
    return sum(name == SKIP for name, _ in cell)


def note_kernels(context: SearchContext) -> None:
    """Note in the job's status which form of the supernet is in use."""
    context.log.info["kernels"] = kernels.status()
