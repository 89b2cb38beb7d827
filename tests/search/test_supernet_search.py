"""The alternating steps of the gradient-based searches: who learns from what, and what an epoch leaves."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fernas.core.errors import ScienceError
from fernas.core.io import read_jsonl
from fernas.learn.augment import evaluation_view
from fernas.learn.evaluate import evaluate
from fernas.search._darts import Darts
from fernas.search._darts_second import SecondOrder
from fernas.search._supernet_search import mean_entropy
from fernas.search.darts_first import PLUGIN as FIRST
from tests.fixtures.toy_searches import darts_engine, next_batches, search_context
from tests.fixtures.toy_task import part


@pytest.mark.parametrize("form", ["plain", "fast"])
@pytest.mark.parametrize("kind", [Darts, SecondOrder])
def test_every_alpha_gets_a_gradient(kind, form, tmp_path):
    method = "darts_second" if kind is SecondOrder else "darts_first"
    e = darts_engine(kind, tmp_path, method, form=form)
    e.net.train()
    e.alpha_gradients(*next_batches(e))
    for alpha in e.net.alphas():
        assert alpha.grad is not None and bool((alpha.grad != 0).all())


def test_alpha_steps_leave_the_weights_and_weight_steps_the_alphas(tmp_path):
    e = darts_engine(Darts, tmp_path)
    e.net.train()
    selection, train = next_batches(e)
    e.gradients(selection, "alphas")
    assert all(w.grad is None for w in e.net.weights())
    for alpha in e.net.alphas():
        alpha.grad = None
    e.gradients(train, "weights")
    assert all(a.grad is None for a in e.net.alphas())


def test_plain_and_fast_supernets_search_alike(tmp_path):
    """One epoch from the same start: the two forms move the alphas alike (float32, other order of sums)."""
    moved = []
    for form in ("plain", "fast"):
        e = darts_engine(Darts, tmp_path / form, form=form, epochs=1)
        e.epoch(0)
        moved.append(torch.cat([a.flatten() for a in e.alphas()]))
    # Adam's first steps are of size alpha_lr whatever the gradient, so a sign may differ where it is about zero
    assert torch.quantile((moved[0] - moved[1]).abs(), 0.9) < 1e-4


def test_a_batch_of_a_part_holds_its_images_with_their_labels(tmp_path):
    """Images of one grey value each, which tells part and class: weights 10, 11, 12, selection 20, 21, 22."""
    e = darts_engine(Darts, tmp_path)
    e.context.selection.labels[:] = np.roll(e.context.selection.labels, 1)
    for samples, base in ((e.context.weights, 10), (e.context.selection, 20)):
        samples.source[:] = (base + samples.labels)[:, None, None, None]
    for (images, labels), base in zip(next_batches(e), (20, 10), strict=True):
        expected = evaluation_view((base + labels)[:, None, None, None].expand(-1, 16, 16, 3).byte(), e.options.augment)
        assert torch.equal(images, expected)


def test_alpha_gradients_are_those_of_the_selection_batch(tmp_path):
    e = darts_engine(Darts, tmp_path)
    selection, train = next_batches(e)
    e.alpha_gradients(selection, train)
    of_alphas = [alpha.grad.clone() for alpha in e.net.alphas()]
    e.gradients(selection, "alphas")
    assert all(torch.equal(alpha.grad, old) for alpha, old in zip(e.net.alphas(), of_alphas, strict=True))


def test_inner_validation_is_what_validates(tmp_path):
    e = darts_engine(Darts, tmp_path)
    scores = evaluate(e.net, part(6, seed=3), e.options.augment, 3, e.device)
    assert e.validate() == {f"inner_{name}": value for name, value in scores.items()}


def test_class_weights_come_from_the_weights_part_alone(tmp_path):
    labels = np.array([0] * 6 + [1] * 4 + [2] * 2)
    options = FIRST.Config(epochs=1, class_weights="balanced")
    weights = replace(part(12, seed=1), labels=labels)
    e = Darts(search_context("darts_first", "emonas", tmp_path, options=options, weights=weights), torch.device("cpu"))
    assert e.class_weights.tolist() == pytest.approx([12 / 18, 1, 2])


def test_warm_up_leaves_the_alphas_alone(tmp_path):
    e = darts_engine(Darts, tmp_path, warmup_epochs=1)
    before = e.alphas()
    assert e.epoch(0)["alpha_loss"] is None
    assert all(torch.equal(a, b) for a, b in zip(before, e.alphas(), strict=True))
    e.epoch(1)
    assert not torch.equal(before[0], e.alphas()[0])


def test_a_step_uses_every_weights_sample_and_cycles_through_selection(tmp_path):
    e = darts_engine(Darts, tmp_path)
    e.epoch(0)
    assert (e.train.passed, e.train.position) == (0, 2) and e.select.position == 2
    assert e.images == 12 + 9 and e.context.budget.spent == 3 * e.macs_train * 21


def test_entropy_known_answers():
    assert mean_entropy(torch.zeros(14, 7)) == pytest.approx(math.log(7))
    assert mean_entropy(torch.tensor([[100.0, 0.0], [0.0, 0.0]])) == pytest.approx(math.log(2) / 2)


def test_the_history_holds_what_the_report_needs(tmp_path):
    run = search_context("darts_first", "emonas", tmp_path, options=FIRST.Config(epochs=2, batch=8, batch_share=1.0))
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
    run = search_context("darts_first", "emonas", tmp_path, options=options)
    with pytest.raises(ScienceError):
        FIRST.run(run)
