"""Random search among patch networks."""

from fernas.core.architecture import Architecture
from fernas.core.seeds import rng
from fernas.search._patch_evaluations import Evaluations
from fernas.search._patch_options import PatchSearchConfig
from fernas.search.context import SearchContext


def random_search(context: SearchContext, count: int, options: PatchSearchConfig) -> Architecture:
    """Draw `count` genomes, train each as evolution does, and return the one of the highest fitness."""
    session = context.open()
    evaluations, history = Evaluations(session, options), session.history
    for number in range(count):
        # by number, so that a longer search begins with the same genomes
        genome = evaluations.limits.random_genome(rng(context.seed, "genome", number))
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
