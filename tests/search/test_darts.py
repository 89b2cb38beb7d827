"""Choices of DARTS by inner validation, its cap on skips, and its ablations."""

import pytest
import torch

from fernas.core.io import read_jsonl
from fernas.learn.fit import Fitted
from fernas.search import _darts
from fernas.search._darts import Candidate, choose
from fernas.search._supernet_search import count_skips
from fernas.search.darts_first import PLUGIN as FIRST
from fernas.search.darts_first import DartsConfig
from fernas.spaces.cell_space import edge_list, space_of
from fernas.spaces.supernet import SKIP, discretise, discretise_weights, limit_skips
from tests.fixtures.toy_searches import search_context


def alphas_with_skips(count):
    """Normal alphas whose discretisation takes `count` skips, the later ones the weaker; seven operations."""
    alpha = torch.zeros(14, 7)
    alpha[:, 3] = 1.0
    edges = [edge_list(4).index((node, source)) for node in range(4) for source in (0, 1)]
    for rank, edge in enumerate(edges):
        alpha[edge, 3] = 3.0
        if rank < count:
            alpha[edge, 2] = 6.0 - 0.1 * rank
    return alpha


@pytest.mark.parametrize(("cap", "expected"), [(None, 5), (8, 5), (2, 2), (0, 0)])
def test_skips_are_capped_weakest_first(cap, expected):
    normal = alphas_with_skips(5)
    kept = limit_skips("emonas", normal, torch.zeros(14, 7), cap)
    assert count_skips(kept.normal) == expected
    if expected == 2:
        assert [pair for pair in kept.normal if pair[0] == "skip_connect"] == [("skip_connect", 0), ("skip_connect", 1)]
        assert kept.normal[:2] == (("skip_connect", 0), ("skip_connect", 1))


def by_deletion(normal, reduce, limit):
    """The rule of P-DARTS one skip at a time: the weakest of the cell loses its weight, no other weight changes."""
    column, edges = space_of("emonas").operations.index(SKIP), edge_list(4)
    table = torch.softmax(normal.double(), 1)
    while True:
        found = discretise_weights("emonas", table, torch.softmax(reduce.double(), 1))
        skips = [edges.index((i // 2, source)) for i, (name, source) in enumerate(found.normal) if name == SKIP]
        if len(skips) <= limit:
            return found
        table[min(skips, key=lambda edge: table[edge, column]), column] = 0


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_on_skips_is_that_of_pdarts(limit, tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(limit)
    options = FIRST.Config(epochs=1, batch=8, batch_share=1.0, max_skips=limit)
    for number in range(10):
        normal, reduce = torch.randn(2, 14, 7, generator=generator)
        normal[:, 2] += 1.5  # skips lead
        monkeypatch.setattr(_darts, "run_epochs", lambda *a, alphas=(normal, reduce): alphas)
        run = search_context("darts_first", "emonas", tmp_path / str(number), options=options)
        found = FIRST.run(run)
        assert found.normal == by_deletion(normal, reduce, limit).normal


def test_cells_and_skip_caps_are_chosen_by_inner_validation(tmp_path):
    options = {"epochs": 1, "batch": 8, "batch_share": 1.0, "cells": [3, 4], "max_skips": [None, 0]}
    run = search_context(
        "darts_first",
        "emonas",
        tmp_path,
        options=FIRST.Config(**options, choice={"epochs": 1, "batch": 8, "batch_share": 1.0}),
    )
    found = FIRST.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    choices = [row for row in rows if row.get("choice")]
    assert [row["cells"] for row in rows if not row.get("choice")] == [3, 4]
    assert {row["cells"] for row in choices} == {3, 4}
    best = max(row["inner_uar"] for row in choices)
    winner = next(row for row in choices if row["inner_uar"] == best)
    assert found.network.cells == winner["cells"]
    if winner["max_skips"] == 0:
        assert count_skips(found.normal) == 0


def test_candidates_learn_from_the_weights_part_and_the_best_on_inner_validation_is_chosen(tmp_path, monkeypatch):
    run = search_context("darts_first", "emonas", tmp_path, options=FIRST.Config(choice={"epochs": 1}))
    uar = iter([0.4, 0.6, 0.5])

    def fit_nothing(net, train, inner, **_):
        assert train is run.weights and inner is run.inner_validation
        return Fitted(rows=[{"inner_uar": next(uar)}])

    monkeypatch.setattr(_darts, "fit", fit_nothing)
    cells = (3, 4, 5)
    candidates = [
        Candidate(number, None, discretise("emonas", torch.zeros(14, 7), torch.zeros(14, 7))) for number in cells
    ]
    assert choose(run.open(), candidates).cells == 4


@pytest.mark.parametrize("value", [[], [4, 4], [-1], "four"])
def test_nonsense_in_lists_is_refused(value):
    with pytest.raises(ValueError, match="cells"):
        DartsConfig(cells=value)


def test_parts_of_the_space_can_be_left_out(tmp_path):
    """Ablations: operations left out, other numbers of nodes, other depths of search and final network."""
    options = {"epochs": 1, "batch": 8, "batch_share": 1.0, "nodes": 3, "search_cells": 4}
    without = ["dil_conv_3x3", "dil_conv_5x5", "skip_connect"]
    run = search_context("darts_first", "emonas", tmp_path, options=FIRST.Config(**options, without=without))
    found = FIRST.run(run)
    row = read_jsonl(tmp_path / "search.jsonl")[0]
    assert row["cells"] == 4 and found.network.cells == 3
    assert len(found.normal) == 6 and found.normal_concat == (2, 3, 4) and len(row["alpha_normal"]) == 9
    assert not {name for name, _ in (*found.normal, *found.reduce)} & set(without)
    assert run.budget.spent == pytest.approx(FIRST.budget(run.options, run.size))


def test_nonsense_about_what_is_left_out_is_refused(tmp_path):
    from fernas.core.errors import ConfigError

    with pytest.raises(ConfigError, match="did you mean 'sep_conv_3x3'"):
        FIRST.run(
            search_context("darts_first", "emonas", tmp_path, options=FIRST.Config(epochs=1, without=["sep_conv_3"]))
        )
    with pytest.raises(ValueError, match="not both"):
        DartsConfig(cells=4, search_cells=3)
