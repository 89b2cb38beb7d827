"""Evaluations of genomes: each trained once with the same seed, remembered, saved, on all threads of the job."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from fernas.core.architecture import Network, PatchesArchitecture
from fernas.core.errors import ContractError
from fernas.core.seeds import derive_seed
from fernas.learn.history import Snapshots
from fernas.search._patch_training import Images, evaluate_genome, images_of, mean_nose
from fernas.search._patches_config import PatchSearchConfig
from fernas.search.context import SearchContext
from fernas.spaces.patches import Genome, PatchLimits, patch_params, whole_face

Result = dict[str, Any]
TIE = 1e-4  # weight of the selection loss in a fitness: of equal scores the lower loss wins, and nothing else changes


class Evaluations:
    """Asks for genomes and remembers them.

    A killed search is replayed: the algorithm runs again from its seed, and what was evaluated before is answered from
    the checkpoint, so that the resumed search takes the same way bit by bit.

    Attributes:
        asked: genomes that were asked for.
        hits: those among them that had been asked for before.
        known: genome -> result of everything evaluated, also before an interruption.
    """

    def __init__(
        self,
        context: SearchContext,
        options: PatchSearchConfig,
        device: torch.device,
        snapshots: Snapshots,
        state: dict[str, Any] | None,
    ) -> None:
        if not len(context.weights) or not len(context.selection):
            raise ContractError(
                f"patches: weights and selection need samples, got {len(context.weights)} and {len(context.selection)}"
            )
        channels, height, width = context.input_shape
        if height != width:
            raise ContractError(f"patches: expected square images, got {width}x{height}")
        self.context, self.options, self.snapshots, self.device = context, options, snapshots, device
        self.channels, self.face_px, self.classes = channels, height, len(context.classes)
        self.limits: PatchLimits = options.limits(height)
        nose = mean_nose(context.weights)
        self.train = images_of(context.weights, nose, options.train.scale, device)
        self.selection = images_of(context.selection, nose, options.train.scale, device)
        self.seed = derive_seed(context.seed, "evaluation")  # the same for each genome
        self.whole_params = patch_params(whole_face(height), channels, self.classes)
        self.asked = self.hits = 0
        self._seen: set[Genome] = set()
        self.known: dict[Genome, Result] = {}
        for boxes, result in (state or {}).get("known", []):
            self.known[tuple(tuple(box) for box in boxes)] = result

    def __call__(self, genomes: Sequence[Genome]) -> list[Result]:
        """The results of these genomes, in their order."""
        new: list[Genome] = []
        for genome in genomes:
            self.asked += 1
            if genome in self._seen:
                self.hits += 1
                continue
            self._seen.add(genome)
            if genome not in self.known:
                new.append(genome)
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
        """Genomes that this way of the search has trained."""
        return len(self._seen)

    def best(self) -> Genome:
        """The best genome so far: fitness, then fewer parameters, then the first in order."""
        seen = [genome for genome in self.known if genome in self._seen]
        return min(seen, key=lambda g: (-self.fitness(self.known[g]), self.known[g]["params"], g))

    def front(self, score: str) -> list[Genome]:
        """All genomes that none dominates in (score, parameters), from few parameters to many."""
        seen = [genome for genome in self.known if genome in self._seen]
        seen.sort(key=lambda g: (self.known[g]["params"], -self.known[g][score], self.known[g]["loss"], g))
        found: list[Genome] = []
        for genome in seen:
            if not found or self.known[genome][score] > self.known[found[-1]][score]:
                found.append(genome)
        return found


def evaluate_in_worker(
    arch: PatchesArchitecture, train: Images, selection: Images, classes: int, config: Any, seed: int
) -> Result:
    """`evaluate_genome` in a process of its own: one thread."""
    torch.set_num_threads(1)
    return evaluate_genome(arch, train, selection, classes, config, seed)


def parallel(work: Callable[..., Result], arguments: list[tuple[Any, ...]], workers: int) -> Iterator[Result]:
    """Results in order, each as soon as it and those before it are ready."""
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, backend="loky", return_as="generator", pre_dispatch="2*n_jobs")
    yield from pool(delayed(work)(*values) for values in arguments)
