import math

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from fernas.core.errors import ScienceError
from fernas.core.io import read_jsonl
from fernas.learn.batches import CyclingBatches
from fernas.learn.config import effective_batch
from fernas.search._darts import Darts, discretise_capped
from fernas.search._darts_second import SecondOrder
from fernas.search._supernet_options import selection_images
from fernas.search._supernet_search import count_skips, mean_entropy
from fernas.search.context import PartSizes
from fernas.search.darts_first import PLUGIN as FIRST
from fernas.search.darts_first import DartsConfig
from fernas.search.darts_second import PLUGIN as SECOND
from fernas.spaces.cell_space import edge_list
from tests.contract.test_search import context
from tests.toy_task import part

CPU = torch.device("cpu")
STILL = {"flip": False, "padding": 0, "rotation_deg": 0.0}


def engine(kind, tmp_path, method="darts_first", **options):
    plugin = {"darts_first": FIRST, "darts_second": SECOND}[method]
    changes = {"weights": part(12, seed=1), "selection": part(9, seed=2)}
    options = {"epochs": 2, "batch": 6, "batch_share": 1.0, "augment": STILL, "form": "plain", **options}
    run = context(method, "emonas", tmp_path, options=plugin.Config(**options), **changes)
    run.open()
    return kind(run, CPU)


def batches(e, seed=0):
    g = torch.Generator().manual_seed(seed)
    return e.batch("selection", g), e.batch("weights", g)


@pytest.mark.parametrize("form", ["plain", "fast"])
@pytest.mark.parametrize("kind", [Darts, SecondOrder])
def test_every_alpha_gets_a_gradient(kind, form, tmp_path):
    method = "darts_second" if kind is SecondOrder else "darts_first"
    e = engine(kind, tmp_path, method, form=form)
    e.net.train()
    e.alpha_gradients(*batches(e))
    for alpha in e.net.alphas():
        assert alpha.grad is not None and bool((alpha.grad != 0).all())


def test_alpha_steps_leave_the_weights_and_weight_steps_the_alphas(tmp_path):
    e = engine(Darts, tmp_path)
    e.net.train()
    selection, train = batches(e)
    e.gradients(selection, "alphas")
    assert all(w.grad is None for w in e.net.weights())
    for alpha in e.net.alphas():
        alpha.grad = None
    e.gradients(train, "weights")
    assert all(a.grad is None for a in e.net.alphas())


def test_the_unrolled_gradient_equals_autograd_through_the_step(tmp_path):
    """Finite differences against the exact derivative of L_sel(w - xi (m + grad L_train + decay w), alpha), float64."""
    e = engine(SecondOrder, tmp_path, "darts_second", epsilon=1e-8, lr=0.05)  # so small that no ReLU changes sides
    e.net.double().train()
    (xs, ys), (xt, yt) = batches(e)
    selection, train = (xs.double(), ys), (xt.double(), yt)
    generator = torch.Generator().manual_seed(9)
    for w in e.net.weights():
        e.sgd.state[w]["momentum_buffer"] = 0.01 * torch.randn(w.shape, generator=generator, dtype=torch.float64)
    weights = {n: p for n, p in e.net.named_parameters() if not n.startswith("alpha_")}
    alphas = {n: p for n, p in e.net.named_parameters() if n.startswith("alpha_")}
    buffers = {n: b.clone() for n, b in e.net.named_buffers()}

    def loss(values, data):
        out = functional_call(e.net, {**values, **alphas, **{n: b.clone() for n, b in buffers.items()}}, (data[0],))
        return F.cross_entropy(out, data[1])

    gradients = torch.autograd.grad(loss(weights, train), list(weights.values()), create_graph=True, allow_unused=True)
    moved = {}
    for (name, w), g in zip(weights.items(), gradients, strict=True):
        g = torch.zeros_like(w) if g is None else g
        momentum = e.options.momentum * e.sgd.state[w]["momentum_buffer"]
        moved[name] = w - 0.05 * (momentum + g + e.options.weight_decay * w)
    exact = torch.autograd.grad(loss(moved, selection), list(alphas.values()))
    direct = torch.autograd.grad(loss({n: w.detach() for n, w in moved.items()}, selection), list(alphas.values()))

    before = [w.detach().clone() for w in e.net.weights()]
    e.alpha_gradients(selection, train)
    for alpha, expected, first in zip(e.net.alphas(), exact, direct, strict=True):
        assert torch.allclose(alpha.grad, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
        # the implicit term is not noise here: leaving it out would be a hundred times farther off than the tolerance
        assert float((expected - first).abs().max()) > 20 * float((alpha.grad - expected).abs().max())
    assert all(torch.equal(w, old) for w, old in zip(e.net.weights(), before, strict=True))
    assert all(torch.equal(b, buffers[n]) for n, b in e.net.named_buffers())


def test_plain_and_fast_supernets_search_alike(tmp_path):
    """One epoch from the same start: the two forms move the alphas alike (float32, other order of sums)."""
    moved = []
    for form in ("plain", "fast"):
        e = engine(Darts, tmp_path / form, form=form, epochs=1)
        e.epoch(0)
        moved.append(torch.cat([a.flatten() for a in e.alphas()]))
    # Adam's first steps are of size alpha_lr whatever the gradient, so a sign may differ where it is about zero
    assert torch.quantile((moved[0] - moved[1]).abs(), 0.9) < 1e-4


def test_warm_up_leaves_the_alphas_alone(tmp_path):
    e = engine(Darts, tmp_path, warmup_epochs=1)
    before = e.alphas()
    assert e.epoch(0)["alpha_loss"] is None
    assert all(torch.equal(a, b) for a, b in zip(before, e.alphas(), strict=True))
    e.epoch(1)
    assert not torch.equal(before[0], e.alphas()[0])


def test_a_step_uses_every_weights_sample_and_cycles_through_selection(tmp_path):
    e = engine(Darts, tmp_path)
    e.epoch(0)
    assert (e.train.passed, e.train.position) == (0, 2) and e.select.position == 2
    assert e.images == 12 + 9 and e.context.budget.spent == 3 * e.macs_train * 21


@pytest.mark.parametrize(("weights", "selection"), [(12, 9), (50, 7), (7, 50), (33, 20)])
def test_selection_images_counts_what_the_iterators_give(weights, selection):
    options = DartsConfig(epochs=5, batch=8, warmup_epochs=1)
    one = CyclingBatches(weights, effective_batch(options, weights), 0)
    other = CyclingBatches(selection, effective_batch(options, selection), 0)
    counted = sum(len(other.next()) for _ in range(4 * len(one)))
    assert selection_images(options, PartSizes(weights, selection, 0)) == counted


def test_entropy_known_answers():
    assert mean_entropy(torch.zeros(14, 7)) == pytest.approx(math.log(7))
    assert mean_entropy(torch.tensor([[100.0, 0.0], [0.0, 0.0]])) == pytest.approx(math.log(2) / 2)


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
    kept = discretise_capped("emonas", normal, torch.zeros(14, 7), cap)
    assert count_skips(kept.normal) == expected
    if expected == 2:
        assert [pair for pair in kept.normal if pair[0] == "skip_connect"] == [("skip_connect", 0), ("skip_connect", 1)]
        assert kept.normal[:2] == (("skip_connect", 0), ("skip_connect", 1))


def test_the_history_holds_what_the_report_needs(tmp_path):
    run = context("darts_first", "emonas", tmp_path, options=FIRST.Config(epochs=2, batch=8, batch_share=1.0))
    FIRST.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    assert [row["epoch"] for row in rows] == [0, 1]
    for row in rows:
        needed = {"alpha_loss", "weight_loss", "inner_uar", "entropy_normal", "entropy_reduce", "skips_normal"}
        assert needed | {"skips_reduce", "alpha_normal", "alpha_reduce", "seconds", "images", "spent_macs"} <= set(row)
        assert len(row["alpha_normal"]) == 14 and len(row["alpha_normal"][0]) == 7
    assert rows[1]["spent_macs"] > rows[0]["spent_macs"] > 0
    assert rows[0]["alpha_normal"] != rows[1]["alpha_normal"]
    metrics = read_jsonl(tmp_path / "metrics.jsonl")
    assert (
        [m["step"] for m in metrics] == [0, 1] and "entropy_normal" in metrics[0] and "alpha_normal" not in metrics[0]
    )


def test_a_diverging_search_is_a_failure_of_science(tmp_path):
    options = FIRST.Config(epochs=1, batch=8, batch_share=1.0, lr=1e30, clip=1e30)
    run = context("darts_first", "emonas", tmp_path, options=options)
    with pytest.raises(ScienceError):
        FIRST.run(run)


def test_cells_and_skip_caps_are_chosen_by_inner_validation(tmp_path):
    options = {"epochs": 1, "batch": 8, "batch_share": 1.0, "cells": [3, 4], "max_skips": [None, 0]}
    run = context(
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


@pytest.mark.parametrize("value", [[], [4, 4], [-1], "four"])
def test_nonsense_in_lists_is_refused(value):
    with pytest.raises(ValueError, match="cells"):
        DartsConfig(cells=value)


def test_random_needs_an_end(tmp_path):
    from fernas.core.errors import ConfigError
    from fernas.search.random import PLUGIN as RANDOM

    with pytest.raises(ConfigError, match="budget"):
        RANDOM.run(context("random", "emonas", tmp_path, options=RANDOM.Config()))


def test_random_spends_its_budget_and_keeps_the_best_on_selection(tmp_path):
    from fernas.core.budget import BudgetMeter
    from fernas.search.random import PLUGIN as RANDOM

    options = RANDOM.Config(train={"epochs": 1, "batch": 8, "batch_share": 1.0})
    limit = 5e7
    run = context("random", "emonas", tmp_path, options=options, budget=BudgetMeter(limit))
    found = RANDOM.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    assert len(rows) > 2
    assert limit - run.budget.spent < max(row["macs"] for row in rows) * (3 * 8 + 6) * 2
    assert run.budget.spent <= limit
    best = max(rows, key=lambda row: (row["selection_uar"], -row["selection_loss"]))
    assert [list(pair) for pair in found.normal] == best["normal"]


def test_random_draws_at_least_one_candidate(tmp_path):
    from fernas.core.budget import BudgetMeter
    from fernas.search.random import PLUGIN as RANDOM

    options = RANDOM.Config(train={"epochs": 1, "batch": 8})
    run = context("random", "emonas", tmp_path, options=options, budget=BudgetMeter(1.0))
    RANDOM.run(run)
    assert len(read_jsonl(tmp_path / "search.jsonl")) == 1


def test_fixed_names_a_known_network():
    from fernas.search.fixed import PLUGIN as FIXED

    with pytest.raises(ValueError, match="did you mean"):
        FIXED.Config(name="vgg15")
    from fernas.search.fixed import NAMES
    from fernas.spaces import named

    assert set(NAMES) == set(named.NAMES)


def test_toy_parts_do_not_share_noise():
    assert not (part(6, seed=1).images == part(6, seed=2).images).all()


def test_parts_of_the_space_can_be_left_out(tmp_path):
    """Ablations: operations left out, other numbers of nodes, other depths of search and final network."""
    options = {"epochs": 1, "batch": 8, "batch_share": 1.0, "nodes": 3, "search_cells": 4}
    without = ["dil_conv_3x3", "dil_conv_5x5", "skip_connect"]
    run = context("darts_first", "emonas", tmp_path, options=FIRST.Config(**options, without=without))
    found = FIRST.run(run)
    row = read_jsonl(tmp_path / "search.jsonl")[0]
    assert row["cells"] == 4 and found.network.cells == 3
    assert len(found.normal) == 6 and found.normal_concat == (2, 3, 4) and len(row["alpha_normal"]) == 9
    assert not {name for name, _ in (*found.normal, *found.reduce)} & set(without)
    assert run.budget.spent == pytest.approx(FIRST.budget(run.options, run.size))


def test_nonsense_about_what_is_left_out_is_refused(tmp_path):
    from fernas.core.errors import ConfigError

    with pytest.raises(ConfigError, match="did you mean 'sep_conv_3x3'"):
        FIRST.run(context("darts_first", "emonas", tmp_path, options=FIRST.Config(epochs=1, without=["sep_conv_3"])))
    with pytest.raises(ValueError, match="not both"):
        DartsConfig(cells=4, search_cells=3)
