"""Deep Evolution: pymoo's genetic algorithm and NSGA-II on genomes of face patches."""

import time
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DefaultDuplicateElimination, NoDuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.core.survival import Survival
from pymoo.operators.selection.tournament import TournamentSelection

from fernas.core.architecture import Architecture
from fernas.core.seeds import derive_seed
from fernas.search._evaluations import TIE, Evaluations
from fernas.search._genomes import FIELDS, cross, decode, encode, mutate
from fernas.search._occlusion import occlusion_check
from fernas.search._patches_config import EvolutionConfig
from fernas.search.context import SearchContext
from fernas.spaces.patches import Genome, PatchLimits


class PatchProblem(Problem):
    """Genomes as integer vectors; one objective (less fitness) or two (less UAR, parameters)."""

    def __init__(self, evaluations: Evaluations, options: EvolutionConfig) -> None:
        self.evaluations, self.options, self.limits = evaluations, options, evaluations.limits
        two = options.objective == "nsga2"
        super().__init__(n_var=FIELDS * self.limits.max_patches, n_obj=2 if two else 1, vtype=int)
        self.two = two

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
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
    """The children, and beside them the best `elites` of their parents; null: all compete."""

    def __init__(self, elites: int | None) -> None:
        super().__init__(filter_infeasible=False)
        self.elites = elites

    def _do(
        self, problem: PatchProblem, pop: Population, *args: Any, n_survive: int | None = None, **kwargs: Any
    ) -> Population:
        order = np.argsort(pop.get("F")[:, 0], kind="stable")
        kept = len(pop) if n_survive is None else n_survive
        if self.elites is None:
            return pop[order[:kept]]
        born = np.asarray(pop.get("n_gen"))
        young = born == born.max()
        if young.all():
            return pop[order[:kept]]
        parents, children = order[~young[order]], order[young[order]]
        chosen = [*parents[: self.elites], *children[: kept - self.elites]]
        chosen += [*parents[self.elites :]][: kept - len(chosen)]  # where duplicates left fewer children
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
        "mutation": PatchMutation(prob=1.0),
        "eliminate_duplicates": DefaultDuplicateElimination()
        if options.eliminate_duplicates
        else NoDuplicateElimination(),
        "output": None,
    }
    if options.objective == "nsga2":
        return NSGA2(**common)
    selection = TournamentSelection(func_comp=best_of, pressure=min(options.tournament, options.population))
    return GA(selection=selection, survival=Elitism(options.elites), **common)


def search(context: SearchContext) -> Architecture:
    """Evolve, and return the fittest genome (two objectives: the knee of the front)."""
    options: EvolutionConfig = context.options
    device, history, snapshots, state = context.open()
    evaluations = Evaluations(context, options, device, snapshots, state)
    algorithm = make_algorithm(options)
    problem = PatchProblem(evaluations, options)
    algorithm.setup(
        problem, termination=("n_gen", options.generations), seed=derive_seed(context.seed, "evolution"), verbose=False
    )
    for generation in range(options.generations):
        start = time.perf_counter()
        born = algorithm.infill()
        if born is None or not len(born):
            break  # nothing new can be made any more: the space is exhausted
        algorithm.evaluator.eval(problem, born, algorithm=algorithm)
        algorithm.advance(infills=born)
        if generation < len(history.rows):
            continue  # replayed
        row = generation_row(generation, evaluations, [decode(v) for v in born.get("X")], options)
        history.add({**row, "seconds": round(time.perf_counter() - start, 3)}, **curves(row))
        evaluations.save()
    chosen = choose(evaluations, options)
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


def random_search(context: SearchContext, evaluations_wanted: int, options: Any) -> Architecture:
    """Draw as many genomes, train each as evolution does, and return the one of the highest fitness."""
    from fernas.core.seeds import rng

    device, history, snapshots, state = context.open()
    evaluations = Evaluations(context, options, device, snapshots, state)
    limits: PatchLimits = evaluations.limits
    for number in range(evaluations_wanted):
        genome = limits.random_genome(rng(context.seed, "genome", number))
        (result,) = evaluations([genome])
        if number < len(history.rows):
            continue  # replayed
        best = evaluations.best()
        row = {
            "candidate": number,
            "patches": [list(box) for box in genome],
            "fitness": evaluations.fitness(result),
            "best_fitness": evaluations.fitness(evaluations.known[best]),
            **{name: result[name] for name in ("accuracy", "uar", "loss", "params")},
            "cache_hits": evaluations.hits,
            "spent_macs": context.budget.spent,
        }
        names = ("fitness", "best_fitness", "uar", "params", "spent_macs")
        history.add(row, **{name: row[name] for name in names})
    evaluations.save()
    return evaluations.architecture(evaluations.best())
