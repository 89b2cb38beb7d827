"""Whole small searches against the formulas of the papers, batch by batch, in float64."""

import math

import pytest
import torch

from fernas.core.config import NetworkConfig
from fernas.search._darts import Darts
from fernas.search._sgas import Sgas
from fernas.search.darts_first import PLUGIN as FIRST
from fernas.search.sgas import PLUGIN as SGAS
from fernas.spaces.cell_space import space_of
from tests.fixtures.reference_supernet import Reference, Replay
from tests.fixtures.toy_searches import CPU, STILL, search_context
from tests.fixtures.toy_task import part

DOUBLE = torch.float64


def doubled(engine):
    """The engine in float64, and the list in which it will leave its batches: (part, (images, labels))."""
    engine.net.double()
    with torch.no_grad():
        for parameter in engine.net.stem[1].parameters():  # at one and zero an error in them would not show
            parameter.add_(0.3 * torch.randn_like(parameter))
    batches, draw = [], engine.batch

    def batch(name, generator):
        images, labels = draw(name, generator)
        batches.append((name, (images.double(), labels)))
        return batches[-1][1]

    engine.batch = batch
    return engine, batches


def start(method, plugin, kind, space, tmp_path, **options):
    """A search of 6 weights and 6 selection images of 8 px, and the replay that starts where it does."""
    options = plugin.Config(**{"batch": 3, "batch_share": 1.0, "augment": STILL, "alpha_lr": 0.02, **options})
    parts = {"weights": part(6, size=8, seed=1), "selection": part(6, size=8, seed=2)}
    network = NetworkConfig(cells=3, channels=8)
    run = search_context(
        method, space, tmp_path, options=options, network=network, input_shape=(3, 8, 8),
        inner_validation=part(6, size=8, seed=3), **parts,
    )  # fmt: skip
    run.open()
    engine, batches = doubled(kind(run, CPU))
    nodes = engine.net.nodes
    reference = Reference(space_of(space).operations, 3, nodes, getattr(options, "pruned", "") == "published")
    weights = {name: p.detach() for name, p in engine.net.named_parameters() if not name.startswith("alpha")}
    return engine, batches, Replay(reference, weights, [a.detach() for a in engine.net.alphas()], 0.02)


def replay(state, batches, lr):
    """The steps of an epoch on the batches that the engine drew."""
    for name, batch in batches:
        if name == "weights":
            train = batch
        else:
            state.alpha_step(batch)
            state.weight_step(train, lr)
    batches.clear()


def distance(engine, state):
    """Largest difference of the alphas, and of the weights."""
    alphas = max((a - b).abs().max().item() for a, b in zip(engine.net.alphas(), state.alphas, strict=True))
    weights = dict(engine.net.named_parameters())
    return alphas, max((weights[name] - value).abs().max().item() for name, value in state.w.items())


@pytest.mark.parametrize("form", ["plain", "fast"])
def test_a_first_order_search_follows_the_formulas_step_for_step(form, tmp_path):
    engine, batches, state = start("darts_first", FIRST, Darts, "darts", tmp_path, epochs=3, nodes=2, form=form)
    before = [alpha.clone() for alpha in state.alphas]
    for epoch in range(3):
        engine.epoch(epoch)
        replay(state, batches, 0.001 + 0.012 * (1 + math.cos(math.pi * epoch / 3)))
    alphas, weights = distance(engine, state)
    assert alphas < 1e-11 and weights < 1e-11
    assert max((a - b).abs().max().item() for a, b in zip(before, state.alphas, strict=True)) > 0.05


# edge 2 is the first of its node: the map before it is the last of the node before, the skip of edge 1
DECIDED = {
    "normal": {1: "skip_connect", 2: None, 3: "sep_conv_3x3", 4: "max_pool_3x3", 5: "dil_conv_3x3", 6: "skip_connect"}
    | {7: None, 8: None, 13: "avg_pool_3x3"},
    "reduce": {5: None, 6: None, 7: "skip_connect", 8: "sep_conv_3x3"},
}


@pytest.mark.parametrize("form", ["plain", "fast"])
@pytest.mark.parametrize("pruned", ["skip", "published"])
def test_a_greedy_search_follows_the_formulas_in_both_forms_of_pruned_edges(pruned, form, tmp_path):
    options = {"first_decision": 0, "decision_every": 1, "complexity": "none", "pruned": pruned, "form": form}
    options |= {"epochs": 9, "batch": 6, "schedule": "authors"}
    engine, batches, state = start("sgas", SGAS, Sgas, "emonas", tmp_path, **options)
    engine.decided = {kind: dict(decided) for kind, decided in DECIDED.items()}
    engine._decisions_made()
    for epoch in range(2):
        state.decided = {kind: dict(decided) for kind, decided in engine.decided.items()}
        engine.epoch(epoch)
        replay(state, batches, 0.001 + 0.012 * (1 + math.cos(math.pi * (epoch + 1) / 9)))
        alphas, weights = distance(engine, state)
        assert alphas < 1e-11 and weights < 1e-11, epoch
