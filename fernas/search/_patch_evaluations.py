"""Evaluations of genomes: each trained once with the same seed, remembered, saved, on all threads of the job.

`occlusion_check` then asks whether the chosen patches matter.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from fernas.core.architecture import NamedArchitecture, Network, PatchesArchitecture
from fernas.core.errors import ContractError
from fernas.core.seeds import derive_seed, rng
from fernas.search._patch_options import PatchSearchConfig
from fernas.search._patch_training import (
    Images,
    evaluate_genome,
    fit_patches,
    images_of,
    mean_nose,
    score_patches,
    starting_network,
)
from fernas.search.context import SearchSession
from fernas.search.evolution import EvolutionConfig
from fernas.spaces.patch_networks import WholeFaceNetwork
from fernas.spaces.patches import Box, Genome, PatchLimits, patch_params, whole_face

Result = dict[str, Any]
TIE = 1e-4  # weight of the selection loss in a fitness: of equal scores the lower loss wins, and nothing else changes


class Evaluations:
    """Trains the genomes that a search asks for, and remembers their results.

    A killed search is replayed: the algorithm runs again from its seed, and the results of genomes that were evaluated
    before come from the checkpoint, so that the resumed search takes the same course bit by bit.

    Attributes:
        asked: how often a genome was asked for.
        hits: those among them that had been asked for before.
        known: genome -> result of everything evaluated, also before an interruption.
    """

    def __init__(self, session: SearchSession, options: PatchSearchConfig) -> None:
        context, device = session.context, session.device
        channels, height, width = context.input_shape
        if height != width:
            raise ContractError(f"patches: expected square images, got {width}x{height}")
        self.context, self.options, self.snapshots, self.device = context, options, session.snapshots, device
        self.channels, self.face_px, self.classes = channels, height, len(context.classes)
        self.limits: PatchLimits = options.limits(height)
        nose = mean_nose(context.weights)
        self.train = images_of(context.weights, nose, options.train.scale, device)
        self.selection = images_of(context.selection, nose, options.train.scale, device)
        self.seed = derive_seed(context.seed, "evaluation")  # the same for each genome
        self.whole_params = patch_params(whole_face(height), channels, self.classes)
        self.asked = self.hits = 0
        # by this process: after a kill `known` holds more, among which the replayed search must not choose yet
        self._asked_for: set[Genome] = set()
        self.known: dict[Genome, Result] = {}
        for boxes, result in (session.state or {}).get("known", []):
            self.known[tuple(tuple(box) for box in boxes)] = result

    def __call__(self, genomes: Sequence[Genome]) -> list[Result]:
        """The results of these genomes, in their order."""
        new: list[Genome] = []
        for genome in genomes:
            self.asked += 1
            if genome in self._asked_for:
                self.hits += 1
                continue
            self._asked_for.add(genome)
            if genome not in self.known:
                new.append(genome)
        # in order, whichever worker is ready first: budget and snapshots must not depend on that
        for genome, result in zip(new, self._evaluate(new), strict=True):
            self._remember(genome, result)
        if new:
            self.save()
        return [self.known[genome] for genome in genomes]

    def _remember(self, genome: Genome, result: Result) -> None:
        self.known[genome] = result
        self.context.budget.spend(result["macs"], self.options.train.epochs * len(self.train))
        self.context.budget.spend(result["macs"], len(self.selection), backward=False)
        self.context.log.heartbeat()
        if self.snapshots.due():
            self.save()

    def save(self) -> None:
        """Save what is known."""
        self.snapshots.save({"known": [[[list(box) for box in g], r] for g, r in self.known.items()]})

    def _evaluate(self, genomes: Sequence[Genome]) -> Iterator[Result]:
        """Train and score; by processes of one thread each where the job has several, with the same bits."""
        arguments = (self.train, self.selection, self.classes, self.options.train, self.seed)
        workers = min(self.context.threads, len(genomes))
        if workers < 2 or self.device.type != "cpu":
            yield from (evaluate_genome(self.architecture(genome), *arguments) for genome in genomes)
            return
        yield from parallel(evaluate_in_worker, [(self.architecture(g), *arguments) for g in genomes], workers)

    def architecture(self, genome: Genome) -> PatchesArchitecture:
        """The architecture of a genome with this task's classes and images."""
        network = Network(classes=self.classes, input=self.context.input_shape)
        return self.options.architecture(genome, self.face_px, network)

    def fitness(self, result: Result) -> float:
        """Score less lambda x relative parameters; of equal ones the lower loss is better by less than one sample."""
        score = result[self.options.score or "accuracy"]
        return float(score - self.options.size_penalty * result["params"] / self.whole_params - TIE * result["loss"])

    @property
    def trained(self) -> int:
        """Genomes that this search has trained."""
        return len(self._asked_for)

    def best(self) -> Genome:
        """The best genome so far: fitness, then fewer parameters, then the first in order."""
        candidates = [genome for genome in self.known if genome in self._asked_for]
        return min(candidates, key=lambda g: (-self.fitness(self.known[g]), self.known[g]["params"], g))

    def front(self, score: str) -> list[Genome]:
        """All genomes that none dominates in (score, parameters), from few parameters to many."""
        candidates = [genome for genome in self.known if genome in self._asked_for]
        # from few parameters up: a genome is on the front when it scores better than all smaller ones
        candidates.sort(key=lambda g: (self.known[g]["params"], -self.known[g][score], self.known[g]["loss"], g))
        front: list[Genome] = []
        for genome in candidates:
            if not front or self.known[genome][score] > self.known[front[-1]][score]:
                front.append(genome)
        return front


def evaluate_in_worker(
    arch: PatchesArchitecture, train: Images, selection: Images, classes: int, config: Any, seed: int
) -> Result:
    """`evaluate_genome` in a worker process: one thread."""
    torch.set_num_threads(1)  # the processes share out the cores of the job
    return evaluate_genome(arch, train, selection, classes, config, seed)


def parallel(work: Callable[..., Result], arguments: list[tuple[Any, ...]], workers: int) -> Iterator[Result]:
    """Results in order, each as soon as it and those before it are ready."""
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, backend="loky", return_as="generator", pre_dispatch="2*n_jobs")
    yield from pool(delayed(work)(*values) for values in arguments)


def occlusion_check(genome: Genome, evaluations: Evaluations, options: EvolutionConfig) -> dict[str, Any]:
    """What hiding patches costs; an entry `occlusion` for the history, or nothing where it is switched off.

    `patches`: accuracy that the genome's network loses when one of its patches is blank. `whole_face`: accuracy that
    the whole-face network, trained alike, loses when the regions of the patches are blank on every face, beside the
    same boxes at random places (mean, and the share of placements that cost as much or more).
    """
    if not options.occlusions:
        return {}
    # trained again with the seed of its evaluation, which gives the same weights; evaluations keep no networks
    e, config = evaluations, options.train
    net = starting_network(e.architecture(genome), e.seed, e.device)
    fit_patches(net, e.train, config, e.seed)
    full = score_patches(net, e.selection, e.classes)["accuracy"]
    views = [e.selection.cut(box) for box in genome]
    lost = []
    for blank in range(len(genome)):
        covered = [torch.zeros_like(v) if i == blank else v for i, v in enumerate(views)]
        lost.append(full - score_patches(net, e.selection, e.classes, covered)["accuracy"])
    block = Network(classes=e.classes, input=e.context.input_shape)
    whole = starting_network(NamedArchitecture(name="whole_face", network=block), e.seed, e.device)
    fit_patches(whole, e.train, config, e.seed)
    untouched = score_patches(whole, e.selection, e.classes)["accuracy"]
    lost_there = untouched - _covered(whole, genome, e)
    random = rng(e.context.seed, "occlusion")
    elsewhere = [untouched - _covered(whole, _moved(genome, e, random), e) for _ in range(options.occlusions)]
    return {
        "occlusion": {
            "accuracy": full,
            "patches": lost,
            "whole_face": {
                "accuracy": untouched,
                "lost": lost_there,
                "lost_elsewhere": float(np.mean(elsewhere)),
                "as_much_elsewhere": float(np.mean([value >= lost_there - 1e-12 for value in elsewhere])),
                "placements": options.occlusions,
            },
        }
    }


def _moved(genome: Genome, e: Evaluations, random: np.random.Generator) -> Genome:
    """The same sizes at random legal places."""
    boxes: list[Box] = []
    for _, _, w, h in genome:
        (x0, x1), (y0, y1) = e.limits.centres(w, 0), e.limits.centres(h, 1)
        boxes.append((int(random.integers(x0, x1 + 1)), int(random.integers(y0, y1 + 1)), w, h))
    return tuple(boxes)


def _covered(net: WholeFaceNetwork, genome: Genome, e: Evaluations) -> float:
    """Accuracy of the whole-face network with these boxes blank (zero: the mean of a standardised image)."""
    images = e.selection.whole().clone()
    _, height, width, _ = e.selection.size
    rows = torch.arange(height, device=e.device)
    columns = torch.arange(width, device=e.device)
    for dx, dy, w, h in genome:
        x0 = torch.floor(e.selection.noses[:, 0] + (dx - (w - 1) / 2 + 0.5))[:, None]
        y0 = torch.floor(e.selection.noses[:, 1] + (dy - (h - 1) / 2 + 0.5))[:, None]
        inside = ((rows >= y0) & (rows < y0 + h))[:, :, None] & ((columns >= x0) & (columns < x0 + w))[:, None, :]
        images = images.masked_fill(inside[:, None], 0.0)
    return score_patches(net, e.selection, e.classes, [images])["accuracy"]
