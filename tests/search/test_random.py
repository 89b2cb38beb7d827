"""Random search under a budget."""

import pytest

from fernas.core.io import read_jsonl
from tests.fixtures.toy_searches import search_context


def test_random_needs_an_end(tmp_path):
    from fernas.core.errors import ConfigError
    from fernas.search.random import PLUGIN as RANDOM

    with pytest.raises(ConfigError, match="budget"):
        RANDOM.run(search_context("random", "emonas", tmp_path, options=RANDOM.Config()))


def test_random_spends_its_budget_and_keeps_the_best_on_selection(tmp_path):
    from fernas.core.budget import BudgetMeter
    from fernas.search.random import PLUGIN as RANDOM

    options = RANDOM.Config(train={"epochs": 1, "batch": 8, "batch_share": 1.0})
    limit = 5e7
    run = search_context("random", "emonas", tmp_path, options=options, budget=BudgetMeter(limit))
    found = RANDOM.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    assert len(rows) > 2 and len({str(row["normal"]) for row in rows}) == len(rows)
    assert limit - run.budget.spent < max(row["macs"] for row in rows) * (3 * 8 + 6) * 2
    assert run.budget.spent <= limit
    best = max(rows, key=lambda row: (row["selection_uar"], -row["selection_loss"]))
    assert [list(pair) for pair in found.normal] == best["normal"]


def test_random_draws_at_least_one_candidate(tmp_path):
    from fernas.core.budget import BudgetMeter
    from fernas.search.random import PLUGIN as RANDOM

    options = RANDOM.Config(train={"epochs": 1, "batch": 8})
    run = search_context("random", "emonas", tmp_path, options=options, budget=BudgetMeter(1.0))
    RANDOM.run(run)
    assert len(read_jsonl(tmp_path / "search.jsonl")) == 1


def test_another_seed_draws_other_candidates(tmp_path):
    from fernas.search.random import PLUGIN as RANDOM

    options = RANDOM.Config(candidates=1, train={"epochs": 1, "batch": 8})
    one, two = (
        RANDOM.run(search_context("random", "emonas", tmp_path / str(seed), options=options, seed=seed))
        for seed in (11, 12)
    )
    assert one.normal != two.normal


def test_a_candidate_is_trained_only_where_all_of_it_fits_the_budget(tmp_path):
    from fernas.core.budget import BudgetMeter
    from fernas.search.random import PLUGIN as RANDOM

    def rows(name, budget, **options):
        options = RANDOM.Config(**options, train={"epochs": 1, "batch": 8})
        RANDOM.run(search_context("random", "emonas", tmp_path / name, options=options, budget=budget))
        return read_jsonl(tmp_path / name / "search.jsonl")

    spent = rows("three", BudgetMeter(), candidates=3)[2]["spent_macs"]
    assert len(rows("enough", BudgetMeter(spent))) == 3
    assert len(rows("one too little", BudgetMeter(spent - 1))) == 2
