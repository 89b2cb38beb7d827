"""Deep Evolution: pymoo's genetic algorithm and NSGA-II on genomes of face patches.

The genetic operators stand first: pure functions of genomes and a generator. Classes wrap them as pymoo wants them.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DefaultDuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.core.survival import Survival
from pymoo.operators.selection.tournament import TournamentSelection

from fernas.core.architecture import Architecture
from fernas.core.seeds import derive_seed
from fernas.search._patch_evaluations import TIE, Evaluations, occlusion_check
from fernas.search.context import SearchContext
from fernas.search.evolution import EvolutionConfig
from fernas.spaces.patches import Box, Genome, PatchLimits

FIELDS = 5  # of a patch in a vector: used (0 or 1), dx, dy, w, h


def encode(genome: Genome, max_patches: int) -> np.ndarray:
    """A genome as int64 (5 K,); unused places are zeros at the end."""
    # pymoo wants vectors of one length, genomes have any number of patches
    vector = np.zeros((max_patches, FIELDS), np.int64)
    for row, box in zip(vector, genome, strict=False):
        row[:] = (1, *box)
    return vector.reshape(-1)


def decode(vector: np.ndarray) -> Genome:
    """The genome of a vector (5 K,)."""
    rows = np.asarray(vector).reshape(-1, FIELDS)
    return tuple((int(r[1]), int(r[2]), int(r[3]), int(r[4])) for r in rows if r[0])


def cross(one: Genome, two: Genome, limits: PatchLimits, rng: np.random.Generator) -> tuple[Genome, Genome]:
    """Two children that share out the parents' whole patches.

    What both parents have, both children inherit. The other patches are shuffled and dealt: the first child gets as
    many patches as one parent has, the second as many as the other.
    """
    common = [box for box in one if box in two]
    rest = [box for box in (*one, *two) if box not in common]
    rng.shuffle(rest)
    first = len(one) - len(common)
    return limits.repair([*common, *rest[:first]], rng), limits.repair([*common, *rest[first:]], rng)


def mutate(genome: Genome, limits: PatchLimits, options: EvolutionConfig, rng: np.random.Generator) -> Genome:
    """A genome whose patches have moved, changed size, been drawn anew, been lost or gained."""
    boxes: list[Box] = []
    for box in genome:
        if rng.random() < options.mutation:
            box = _move(box, limits, options.step * limits.face_px, rng)
        if rng.random() < options.replace:
            box = limits.random_box(rng)
        boxes.append(box)
    if not limits.fixed_count and rng.random() < options.resample:
        _resample(boxes, limits, rng)
    return limits.repair(boxes, rng)


def _move(box: Box, limits: PatchLimits, deviation: float, rng: np.random.Generator) -> Box:
    """A normal step of the centre; each side stays or becomes the next legal one, up or down."""
    dx, dy, w, h = box
    dx, dy = (int(round(v + rng.normal(0, deviation))) for v in (dx, dy))
    w, h = (_next_size(side, limits.sizes, int(rng.integers(-1, 2))) for side in (w, h))
    return dx, dy, w, h


def _next_size(side: int, sizes: Sequence[int], step: int) -> int:
    return sizes[min(max(sizes.index(side) + step, 0), len(sizes) - 1)]


def _resample(boxes: list[Box], limits: PatchLimits, rng: np.random.Generator) -> None:
    # the last patch is never lost, and a full genome never grows
    gain = len(boxes) == 1 or (len(boxes) < limits.max_patches and rng.random() < 0.5)
    if gain and len(boxes) < limits.max_patches:
        boxes.append(limits.random_box(rng))
    elif len(boxes) > 1:
        boxes.pop(int(rng.integers(len(boxes))))


class PatchProblem(Problem):
    """Genomes as integer vectors; one objective (less fitness) or two (less UAR, parameters)."""

    def __init__(self, evaluations: Evaluations, options: EvolutionConfig) -> None:
        self.evaluations, self.options, self.limits = evaluations, options, evaluations.limits
        two = options.objective == "nsga2"
        super().__init__(n_var=FIELDS * self.limits.max_patches, n_obj=2 if two else 1, vtype=int)
        self.two = two

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        # pymoo minimises, so scores change their sign
        results = self.evaluations([decode(vector) for vector in x])
        if self.two:
            score = self.options.score or "uar"
            out["F"] = np.array([[TIE * r["loss"] - r[score], r["params"]] for r in results])
        else:
            out["F"] = np.array([[-self.evaluations.fitness(r)] for r in results])


class PatchSampling(Sampling):
    """Random legal genomes."""

    def _do(
        self, problem: PatchProblem, n_samples: int, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> np.ndarray:
        limits = problem.limits
        return np.stack([encode(limits.random_genome(random_state), limits.max_patches) for _ in range(n_samples)])


class PatchCrossover(Crossover):
    """Two parents share out their whole patches."""

    def __init__(self, probability: float) -> None:
        super().__init__(2, 2, prob=probability)

    def _do(
        self, problem: PatchProblem, x: np.ndarray, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> np.ndarray:
        limits, children = problem.limits, np.empty_like(x)
        for mating in range(x.shape[1]):
            pair = cross(decode(x[0, mating]), decode(x[1, mating]), limits, random_state)
            for child in (0, 1):
                children[child, mating] = encode(pair[child], limits.max_patches)
        return children


class PatchMutation(Mutation):
    """Moves, sizes, and new, lost or gained patches."""

    def _do(
        self, problem: PatchProblem, x: np.ndarray, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> np.ndarray:
        limits = problem.limits
        mutated = [mutate(decode(v), limits, problem.options, random_state) for v in x]
        return np.stack([encode(genome, limits.max_patches) for genome in mutated])


class Elitism(Survival):
    """The children and the best `elites` of their parents survive; null: parents and children compete."""

    def __init__(self, elites: int | None) -> None:
        super().__init__(filter_infeasible=False)
        self.elites = elites

    def _do(
        self, problem: PatchProblem, pop: Population, *args: Any, n_survive: int | None = None, **kwargs: Any
    ) -> Population:
        order = np.argsort(pop.get("F")[:, 0], kind="stable")
        count = len(pop) if n_survive is None else n_survive
        if self.elites is None:
            return pop[order[:count]]
        born = np.asarray(pop.get("n_gen"))
        # pymoo numbers generations: the newest are the children, elites keep the number of their birth
        young = born == born.max()
        if young.all():
            return pop[order[:count]]
        parents, children = order[~young[order]], order[young[order]]
        chosen = [*parents[: self.elites], *children[: count - self.elites]]
        chosen += [*parents[self.elites :]][: count - len(chosen)]  # where duplicates left fewer children
        return pop[np.sort(np.asarray(chosen, int))]


def best_of(pop: Population, contests: np.ndarray, **kwargs: Any) -> np.ndarray:
    """The winners of tournaments, int (n, 1): the fittest, of equal ones the first drawn; contests int (n, size)."""
    values = pop.get("F")[:, 0][contests]
    return contests[np.arange(len(contests)), values.argmin(1)][:, None]


def make_algorithm(options: EvolutionConfig) -> GA | NSGA2:
    """The algorithm of pymoo with the operators of patches."""
    common: dict[str, Any] = {
        "pop_size": options.population,
        "sampling": PatchSampling(),
        "crossover": PatchCrossover(options.crossover),
        # every child is passed on: `mutate` has probabilities of its own, for each patch
        "mutation": PatchMutation(prob=1.0),
        "eliminate_duplicates": DefaultDuplicateElimination(),  # no child equals another one or a parent
        "output": None,
    }
    if options.objective == "nsga2":
        return NSGA2(**common)
    selection = TournamentSelection(func_comp=best_of, pressure=min(options.tournament, options.population))
    return GA(selection=selection, survival=Elitism(options.elites), **common)


def search(context: SearchContext) -> Architecture:
    """Evolve, and return the fittest genome (two objectives: the knee of the front)."""
    options: EvolutionConfig = context.options
    session = context.open()
    evaluations, history = Evaluations(session, options), session.history
    algorithm = make_algorithm(options)
    problem = PatchProblem(evaluations, options)
    algorithm.setup(
        problem, termination=("n_gen", options.generations), seed=derive_seed(context.seed, "evolution"), verbose=False
    )
    # step by step instead of pymoo's `minimize`, to write a row and to save after each generation
    for generation in range(options.generations):
        start = time.perf_counter()
        born = algorithm.infill()
        if born is None or not len(born):
            break  # nothing new can be made any more: the space is exhausted
        algorithm.evaluator.eval(problem, born, algorithm=algorithm)
        algorithm.advance(infills=born)
        if generation < len(history.rows):
            continue  # replayed: its row is in the history already
        row = generation_row(generation, evaluations, [decode(v) for v in born.get("X")], options)
        history.add({**row, "seconds": round(time.perf_counter() - start, 3)}, **curves(row))
        evaluations.save()
    chosen = choose(evaluations, options)
    # a job that was killed after this row has it already
    if not history.rows or not history.rows[-1].get("final"):
        history.add({**final_row(chosen, evaluations, options), **occlusion_check(chosen, evaluations, options)})
        evaluations.save()
    return evaluations.architecture(chosen)


def choose(evaluations: Evaluations, options: EvolutionConfig) -> Genome:
    """The fittest of all genomes, or the knee of the front."""
    if options.objective == "single":
        return evaluations.best()
    score = options.score or "uar"
    front = evaluations.front(score)
    values = np.array([[evaluations.known[g]["params"], evaluations.known[g][score]] for g in front])
    return front[knee(values)]


def knee(front: np.ndarray) -> int:
    """Index of the point of a front (n, 2) of (cost, gain), both rising, that lies highest above its chord.

    Both are scaled to 0..1 between the ends; the height above the line through the ends is gain - cost. The first of
    equals, so that a front of one or two points gives its cheapest.
    """
    spans = front[-1] - front[0]
    if len(front) < 3 or not (spans > 0).all():
        return 0
    scaled = (front - front[0]) / spans
    return int(np.argmax(scaled[:, 1] - scaled[:, 0]))


def generation_row(
    generation: int, evaluations: Evaluations, born: list[Genome], options: EvolutionConfig
) -> dict[str, Any]:
    """What the history has of a generation."""
    results = [evaluations.known[genome] for genome in born]
    fitness = [evaluations.fitness(result) for result in results]
    best = evaluations.best()
    return {
        "generation": generation,
        "best_fitness": evaluations.fitness(evaluations.known[best]),
        "mean_fitness": float(np.mean(fitness)),
        "best_patches": [list(box) for box in best],
        **{f"best_{name}": evaluations.known[best][name] for name in ("accuracy", "uar", "loss", "params", "macs")},
        "mean_params": float(np.mean([result["params"] for result in results])),
        "asked": evaluations.asked,
        "trained": evaluations.trained,
        "cache_hits": evaluations.hits,
        "front": front_rows(evaluations, options) if options.objective == "nsga2" else [],
        "born": [
            {"patches": [list(box) for box in genome], "fitness": f, "params": r["params"], "uar": r["uar"]}
            for genome, f, r in zip(born, fitness, results, strict=True)
        ],
        "spent_macs": evaluations.context.budget.spent,
    }


def front_rows(evaluations: Evaluations, options: EvolutionConfig) -> list[dict[str, Any]]:
    """The front of everything evaluated so far."""
    return [
        {"patches": [list(box) for box in g], **{n: evaluations.known[g][n] for n in ("uar", "accuracy", "params")}}
        for g in evaluations.front(options.score or "uar")
    ]


def curves(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row that are tracked."""
    names = ("best_fitness", "mean_fitness", "best_accuracy", "best_uar", "best_params", "mean_params", "trained")
    return {name: row[name] for name in (*names, "cache_hits", "spent_macs")}


def final_row(chosen: Genome, evaluations: Evaluations, options: EvolutionConfig) -> dict[str, Any]:
    """The outcome: the chosen genome, the front, the counts."""
    result = evaluations.known[chosen]
    return {
        "final": True,
        "patches": [list(box) for box in chosen],
        "face_px": evaluations.face_px,
        "fitness": evaluations.fitness(result),
        **{name: result[name] for name in ("accuracy", "uar", "loss", "params", "macs")},
        "whole_params": evaluations.whole_params,
        "reduction": 1 - result["params"] / evaluations.whole_params,
        "asked": evaluations.asked,
        "trained": evaluations.trained,
        "cache_hits": evaluations.hits,
        "front": front_rows(evaluations, options),
    }
