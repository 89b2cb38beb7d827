"""Random search with the same budget: draw candidates, train each shortly, keep the best on the selection part."""

from typing import Any

from pydantic import Field

from fernas.core.architecture import Architecture
from fernas.core.errors import ConfigError
from fernas.learn.config import FitConfig, Options
from fernas.search._supernet_options import skip
from fernas.search.context import SearchContext, SearchPlugin


class RandomConfig(Options):
    """How each candidate is trained before it is scored; the number of candidates follows from the budget."""

    candidates: int | None = Field(default=None, ge=1, description="most candidates; null: until the budget is spent")
    train: FitConfig = Field(
        default=FitConfig(epochs=15, batch=32, drop_path=0.0, select="last"),
        description="short training on the weights part; the last epoch counts, so that only selection chooses",
    )


def run(context: SearchContext) -> Architecture:
    """Draw, train, score on the selection part, until the next candidate would pass the budget; at least one."""
    # here, so that the workflow reads the plug-in without torch
    from fernas.core.architecture import parse_architecture
    from fernas.core.seeds import derive_seed, rng
    from fernas.search._short_training import ShortTraining, train_and_score
    from fernas.spaces.complexity import macs
    from fernas.spaces.sampling import random_architecture

    options: RandomConfig = context.options
    if context.budget.limit_macs is None and options.candidates is None:
        raise ConfigError("random: needs a budget (methods.<name>.budget_from) or search_options.candidates")
    session = context.open()
    snapshots, state = session.snapshots, session.state
    best: dict[str, Any] = state["best"] if state else {"score": [], "architecture": None}
    number = int(state["number"]) if state else 0
    running = state.get("fit") if state else None
    seed = derive_seed(context.seed, "candidate-training")  # the same for each candidate
    while options.candidates is None or number < options.candidates:
        # by number: a resumed search draws the same candidates, a larger budget adds to them
        generator = rng(context.seed, "candidate", number)
        architecture = random_architecture(context.space_name, generator, context.network_block())
        per_image = macs(architecture)
        # in training an image counts three times: forward once, backward twice
        price = per_image * (3 * options.train.epochs * len(context.weights) + len(context.selection))
        # `number`: the first candidate is trained even where it exceeds the budget
        if number and price > context.budget.remaining:
            break
        inner = snapshots.nested({"best": best, "number": number}, "fit")
        training = ShortTraining(options.train, seed, session.device, inner)
        trained = train_and_score(context, architecture, training, running)
        running, scores = None, trained.scores
        key = [scores["uar"], -scores["loss"]]
        if best["architecture"] is None or key > best["score"]:
            best = {"score": key, "architecture": architecture.model_dump(mode="json")}
        row = {
            "candidate": number,
            "normal": [list(pair) for pair in architecture.normal],
            "reduce": [list(pair) for pair in architecture.reduce],
            "macs": per_image,
            "train_loss": trained.loss,
            **{f"selection_{name}": value for name, value in scores.items()},
            "best_selection_uar": best["score"][0],
            "spent_macs": context.budget.spent,
        }
        tracked = ("selection_uar", "best_selection_uar", "train_loss", "spent_macs")
        session.history.add(row, **{name: row[name] for name in tracked})
        number += 1
        snapshots.save({"best": best, "number": number})
    return parse_architecture(best["architecture"])


PLUGIN = SearchPlugin("random", "random search, same budget", RandomConfig, run, skip)
