"""The engine of the differentiable searches: what first and second order share."""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ContractError, ScienceError
from fernas.core.seeds import derive_seed
from fernas.learn.augment import Augmenter, evaluation_view
from fernas.learn.batches import CyclingBatches
from fernas.learn.config import effective_batch
from fernas.learn.evaluate import evaluate, network_inputs
from fernas.learn.fit import Hooks, class_weights, fit
from fernas.learn.history import History, Snapshots
from fernas.learn.passes import Passes
from fernas.learn.runtime import load_random_state, random_state
from fernas.learn.schedules import cosine
from fernas.search._agreement import inherited_scores, score_trained
from fernas.search._curvature import dominant_eigenvalue
from fernas.search._darts_config import (
    DartsConfig,
    curvature_batch,
    measures_curvature,
    remaining,
    seen,
    supernet_cost,
)
from fernas.search.context import SearchContext
from fernas.spaces.cell_space import space_of
from fernas.spaces.complexity import macs as network_macs
from fernas.spaces.networks import build_network
from fernas.spaces.supernet import discretise, kernels_status, make_supernet, require
from fernas.spaces.supernet.plain import Network

SKIP = "skip_connect"
Batch = tuple[Tensor, Tensor]  # images (B, C, h, w), labels (B,)


class FirstOrder:
    """Gradients of the alphas at the current weights; also holds what one search needs between steps."""

    look_ahead_passes = 0  # passes over the weights batch in an alpha step, beside the one over the selection batch

    def __init__(self, context: SearchContext, cells: int, device: torch.device, channels: int | None = None) -> None:
        options: DartsConfig = context.options
        self.context, self.options, self.device, self.cells = context, options, device, cells
        self.channels = channels or context.network.channels
        self.nodes: int | None = getattr(options, "nodes", None)
        self.without: tuple[str, ...] = getattr(options, "without", ())
        self.seed = derive_seed(context.seed, "supernet", cells)
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
        self.macs_train = self.cost(seen(options.augment, context.input_shape))
        self.macs_full = self.cost(context.input_shape)
        self.images = 0
        self.passes = Passes(None, device)
        self.within: dict[str, Any] | None = None  # where a snapshot in the middle of an epoch stands
        self.on_step: Callable[[], None] | None = None  # called between two steps of an epoch

    def make_net(self) -> Network:
        """The supernet with fresh weights and alphas."""
        context = self.context
        net = make_supernet(
            context.space_name,
            self.cells,
            self.channels,
            context.input_shape[0],
            len(context.classes),
            self.options.form,
            nodes=self.nodes,
            stem=context.network.stem,
        )
        for kind, kept in remaining(context.space_name, self.nodes, self.without).items():
            net.keep_operations(kind, kept)
        return net

    def cost(self, shape: tuple[int, int, int]) -> float:
        """Multiply-accumulates of the supernet on one image (C, H, W), forward."""
        context = self.context
        sizes = (context.space_name, self.cells, context.network, shape, len(context.classes))
        return supernet_cost(*sizes, self.nodes, self.without)

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
        self.images, self.passes.size = int(state["images"]), state["micro_batch"]
        self.within = state.get("within")

    def batch(self, part: str, generator: torch.Generator) -> Batch:
        """The next augmented batch of a part."""
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
        require(self.net, of != "weights", of != "alphas")
        try:
            return self.passes.run(len(batch[1]), lambda slices: self._accumulate(slices, batch, parameters))
        finally:
            require(self.net, True, True)

    def all_parameters(self) -> list[nn.Parameter]:
        """Weights, then alphas."""
        return [*self.net.weights(), *self.net.alphas()]

    def _accumulate(self, slices: list[slice], batch: Batch, parameters: list[nn.Parameter]) -> float:
        for parameter in parameters:
            parameter.grad = None
        images, labels = batch
        ones = torch.ones(len(labels), device=self.device)
        weight = ones if self.class_weights is None else self.class_weights[labels]
        total = 0.0
        for part in slices:
            loss = self.loss(images[part], labels[part])
            if len(slices) > 1:
                loss = loss * (weight[part].sum() / weight.sum())
            loss.backward()
            total += float(loss.detach())
        return total

    def alpha_gradients(self, selection: Batch, train: Batch) -> float:
        """Leave the alphas' gradients in place; returns the selection loss. `train` serves the second order."""
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
        options = self.options
        self._reseed(epoch)
        lr = cosine(epoch, options.epochs, options.lr, options.lr_min)
        for group in self.sgd.param_groups:
            group["lr"] = lr
        with_alphas = self.learns_alphas(epoch)
        self.net.train()
        alpha_loss: list[float] = []
        weight_loss: list[float] = []
        if self.within is not None:
            alpha_loss, weight_loss = list(self.within["alpha_loss"]), list(self.within["weight_loss"])
            load_random_state(self.within["random"], self.generator, self.device)
            self.within = None
        for step in range(len(weight_loss) + 1, len(self.train) + 1):
            train = self.batch("weights", self.generator)
            if with_alphas:
                selection = self.batch("selection", self.generator)
                alpha_loss.append(self.alpha_step(selection, train))
                self._spend(len(selection[1]) + self.look_ahead_passes * len(train[1]))
            weight_loss.append(self.gradients(train, "weights"))
            if not math.isfinite(weight_loss[-1]) or (alpha_loss and not math.isfinite(alpha_loss[-1])):
                raise ScienceError(f"the search loss is not finite in epoch {epoch} (learning rate {lr:g})")
            nn.utils.clip_grad_norm_(self.net.weights(), options.clip)
            self.sgd.step()
            self._spend(len(train[1]))
            self.context.log.heartbeat()
            if self.on_step is not None and step < len(self.train):
                self.within = {"alpha_loss": alpha_loss, "weight_loss": weight_loss}
                self.on_step()
                self.within = None
        return {
            "lr": lr,
            "alpha_loss": float(np.mean(alpha_loss)) if alpha_loss else None,
            "weight_loss": float(np.mean(weight_loss)),
        }

    def _reseed(self, epoch: int) -> None:
        torch.manual_seed(derive_seed(self.seed, "epoch", epoch))
        self.generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", epoch))

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
        """What the alphas say now."""
        return discretise(self.context.space_name, *self.alphas())

    def alphas(self) -> tuple[Tensor, Tensor]:
        """Copies of the raw alphas, normal and reduce, on the CPU."""
        normal, reduce = (alpha.detach().cpu().clone() for alpha in self.net.alphas())
        return normal, reduce


def mean_entropy(alpha: Tensor) -> float:
    """Mean over the edges of the entropy of softmax(alpha), in nats; ln(operations) at the start, 0 when decided."""
    p = F.softmax(alpha.double(), -1)
    return float(torch.special.entr(p).sum(-1).mean())


def skips(cell: tuple[tuple[str, int], ...]) -> int:
    """Number of skip connections in a cell."""
    return sum(name == SKIP for name, _ in cell)


def discretise_capped(space: str, normal: Tensor, reduce: Tensor, cap: int | None) -> CellsArchitecture:
    """DARTS' rule; while the normal cell has more than `cap` skips, the weakest of them is forbidden and it runs again.

    P-DARTS bounds skips so; the weights of an edge's other operations are normalised anew here.
    """
    architecture = discretise(space, normal, reduce)
    if cap is None:
        return architecture
    from fernas.spaces.cell_space import edge_list

    normal = normal.clone()
    column = space_of(space).operations.index(SKIP)
    edges = edge_list(architecture.nodes)
    while skips(architecture.normal) > cap:
        taken = [
            edges.index((position // 2, source))
            for position, (name, source) in enumerate(architecture.normal)
            if name == SKIP
        ]
        weights = F.softmax(normal.double(), -1)[:, column]
        normal[min(taken, key=lambda edge: float(weights[edge])), column] = -math.inf
        architecture = discretise(space, normal, reduce)
    return architecture


@dataclass
class Candidate:
    """An architecture that a search found under one setting of its choices."""

    cells: int
    cap: int | None
    architecture: CellsArchitecture


def search(context: SearchContext, method: type[FirstOrder]) -> Architecture:
    """Search with each number of cells, discretise under each cap; inner validation chooses where there is a choice."""
    options: DartsConfig = context.options
    if not len(context.weights) or not len(context.selection):
        raise ContractError(
            f"search: weights and selection need samples, got {len(context.weights)} and {len(context.selection)}"
        )
    device, history, snapshots, state = context.open()
    note_kernels(context)
    done: list[dict[str, Any]] = list(state["done"]) if state else []
    for number, cells in enumerate(options.cell_choices(context.network)):
        if number < len(done):
            continue
        engine = method(context, cells, device)
        running = state.get("engine") if state and number == len(done) else None
        inner = snapshots.nested({"done": done}, "engine")
        alphas = run_epochs(engine, history, inner, running)
        done.append({"cells": cells, "normal": alphas[0], "reduce": alphas[1]})
        if options.agreement is not None:
            done[-1]["inherited"] = inherited_scores(context, engine.net, device, engine.passes)
        snapshots.save({"done": done})
    if options.agreement is not None:
        final, inherited = options.final_cells(done[0]["cells"]), done[0]["inherited"]
        score_trained(context, final, inherited, history, device, snapshots, {"done": done}, state or {})
    found = [
        Candidate(entry["cells"], cap, discretise_capped(context.space_name, entry["normal"], entry["reduce"], cap))
        for entry in done
        for cap in options.skip_choices()
    ]
    chosen = found[0] if len(found) == 1 else choose(context, found, history, device)
    block = context.network_block(options.final_cells(chosen.cells))
    return chosen.architecture.model_copy(update={"network": block})


def note_kernels(context: SearchContext) -> None:
    """Note in the job's status which form of the supernet serves."""
    context.log.info["kernels"] = kernels_status()


def run_epochs(
    engine: FirstOrder, history: History, snapshots: Snapshots, running: dict[str, Any] | None
) -> tuple[Tensor, Tensor]:
    """All epochs of one search, continued from `running` where given; returns the alphas."""
    first = 0
    if running is not None:
        engine.load(running["state"])
        first = int(running["epoch"])
    for epoch in range(first, engine.options.epochs):
        start = time.perf_counter()
        engine.on_step = functools.partial(_save_within, engine, snapshots, epoch)
        row = {"epoch": epoch, "cells": engine.cells, **engine.epoch(epoch)}
        if (epoch + 1) % engine.options.validate_every == 0 or epoch + 1 == engine.options.epochs:
            row.update(engine.validate())
        if measures_curvature(engine.options, epoch):
            row["eig_max"] = curvature(engine)
        row.update(describe(engine))
        row["seconds"] = round(time.perf_counter() - start, 3)
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        history.add(row, **{name: value for name, value in numbers.items() if name not in ("epoch", "cells")})
        if snapshots.due() or epoch + 1 == engine.options.epochs:
            snapshots.save({"epoch": epoch + 1, "state": engine.state()})
    return engine.alphas()


def _save_within(engine: FirstOrder, snapshots: Snapshots, epoch: int) -> None:
    """Save between two steps of an epoch when that is due."""
    if snapshots.due_within():
        assert engine.within is not None
        engine.within["random"] = random_state(engine.generator, engine.device)
        snapshots.save({"epoch": epoch, "state": engine.state()})


def curvature(engine: FirstOrder) -> float:
    """The dominant eigenvalue of the selection loss in the alphas, on one batch; the search goes on as if unseen.

    The batch is always the same, without augmentation; BatchNorm uses its statistics, and its running ones, the random
    state and the alphas are put back.
    """
    options, part = engine.options, engine.context.selection
    count = curvature_batch(options, len(part))
    indices = np.linspace(0, len(part) - 1, count).astype(np.int64)
    images = evaluation_view(part.batch(indices).to(engine.device), options.augment)
    batch = images, torch.from_numpy(part.labels[indices]).to(engine.device)
    buffers = {name: buffer.detach().clone() for name, buffer in engine.net.named_buffers()}
    random = torch.get_rng_state()
    engine.net.train()

    def gradients() -> list[Tensor]:
        engine.gradients(batch, "alphas")
        return [torch.zeros_like(a) if a.grad is None else a.grad for a in engine.net.alphas()]

    value = dominant_eigenvalue(
        list(engine.net.alphas()), gradients, options.curvature_steps, derive_seed(engine.seed, "curvature")
    )
    with torch.no_grad():
        for name, buffer in engine.net.named_buffers():
            buffer.copy_(buffers[name])
    torch.set_rng_state(random)
    engine.context.budget.spend(engine.macs_full, 2 * options.curvature_steps * count)
    return value


def describe(engine: FirstOrder) -> dict[str, Any]:
    """Where the search stands: entropies, skips of the current discretisation, what it spent, the alphas."""
    normal, reduce = engine.alphas()
    if not bool(torch.isfinite(normal).all() and torch.isfinite(reduce).all()):
        raise ScienceError("an alpha became infinite or NaN")
    architecture = engine.discretised()
    return {
        "entropy_normal": mean_entropy(normal),
        "entropy_reduce": mean_entropy(reduce),
        "skips_normal": skips(architecture.normal),
        "skips_reduce": skips(architecture.reduce),
        "images": engine.images,
        "spent_macs": engine.context.budget.spent,
        "micro_batch": engine.passes.size,
        "alpha_normal": [[round(float(v), 7) for v in edge] for edge in normal],
        "alpha_reduce": [[round(float(v), 7) for v in edge] for edge in reduce],
        "normal": [list(pair) for pair in architecture.normal],
        "reduce": [list(pair) for pair in architecture.reduce],
    }


def choose(context: SearchContext, found: list[Candidate], history: History, device: torch.device) -> Candidate:
    """Train each distinct candidate shortly on the weights part; the best inner UAR wins (ties: the first)."""
    options: DartsConfig = context.options
    if not len(context.inner_validation):
        raise ContractError("search: a list for cells or max_skips is chosen by inner validation, which has no samples")
    best, best_score = found[0], -math.inf
    seen: dict[str, float] = {}
    for candidate in found:
        block = context.network_block(options.final_cells(candidate.cells))
        architecture = candidate.architecture.model_copy(update={"network": block})
        key = architecture.model_dump_json()
        if key not in seen:
            seed = derive_seed(context.seed, "choice")
            torch.manual_seed(derive_seed(seed, "init"))
            net = build_network(architecture)
            fitted = fit(
                net,
                context.weights,
                context.inner_validation,
                config=options.choice,
                classes=len(context.classes),
                seed=seed,
                device=device,
                hooks=Hooks(on_step=context.log.heartbeat),
            )
            per_image = network_macs(architecture)
            context.budget.spend(per_image, fitted.images)
            context.budget.spend(per_image, fitted.evaluated, backward=False)
            seen[key] = max(row["inner_uar"] for row in fitted.rows)
            history.add(
                {
                    "choice": True,
                    "cells": candidate.cells,
                    "max_skips": candidate.cap,
                    "inner_uar": seen[key],
                    "spent_macs": context.budget.spent,
                },
                choice_inner_uar=seen[key],
            )
        if seen[key] > best_score:
            best, best_score = candidate, seen[key]
    return best
