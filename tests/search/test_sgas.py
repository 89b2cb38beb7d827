import math

import pytest
import torch

from fernas.core import plugins
from fernas.core.config import NetworkConfig
from fernas.core.errors import ConfigError, ContractError
from fernas.core.io import read_jsonl
from fernas.search._sgas import Sgas, choices, complexity_term, decide, edge_scores, normalise, parameter_shares
from fernas.search.context import PartSizes, SearchSize
from fernas.search.sgas import PLUGIN, SgasConfig, budget
from fernas.spaces.cell_space import edge_list, space_of
from fernas.spaces.complexity import supernet_edge_macs, supernet_macs
from tests.fixtures.supernets import decided_macs
from tests.fixtures.toy_searches import search_context
from tests.fixtures.toy_task import part

CPU = torch.device("cpu")
STILL = {"flip": False, "padding": 0, "rotation_deg": 0.0}
AUTOFERNET = space_of("autofernet")
SHORT = {"first_decision": 0, "decision_every": 1, "batch": 8, "batch_share": 1.0, "augment": STILL, "form": "plain"}
SMALL = {
    "weights": part(8, 8, 1),
    "selection": part(6, 8, 2),
    "inner_validation": part(3, 8, 3),
    "input_shape": (3, 8, 8),
}


def small(tmp_path, space, **options):
    return search_context("sgas", space, tmp_path, options=PLUGIN.Config(**{**SHORT, **options}), **SMALL)


def engine(tmp_path, space="autofernet", **options):
    run = small(tmp_path, space, **{"epochs": 9, **options})
    run.open()
    return Sgas(run, CPU)


def by_hand(alpha, stored, criterion):
    """The formulas, one edge after another, with no tensor operations (methods as published for SGAS)."""
    importances, certainties, stabilities, ps = [], [], [], []
    for row in alpha.tolist():
        total = sum(math.exp(a) for a in row)
        weights = [math.exp(a) / total for a in row]
        importance = sum(weights[1:])  # column 0 is `none`
        p = [w / importance for w in weights[1:]]
        entropy = -sum(v * math.log(v) for v in p)
        importances.append(importance)
        certainties.append(1 - entropy / math.log(len(p)))
        ps.append(p)
    for edge, p in enumerate(ps):
        overlaps = [sum(min(a, b) for a, b in zip(p, old[edge], strict=True)) for old in stored]
        stabilities.append(sum(overlaps) / len(overlaps) if overlaps else 0.0)

    def norm(values):
        low, high = min(values), max(values)
        return [(v - low) / (high - low) if high > low else 1.0 for v in values]

    score = [a * b for a, b in zip(norm(importances), norm(certainties), strict=True)]
    if criterion == 2:
        score = [a * b for a, b in zip(score, norm(stabilities), strict=True)]
    return score, ps


@pytest.mark.parametrize("criterion", [1, 2])
def test_decisions_on_a_hand_made_history_follow_the_formulas(criterion):
    """Twelve epochs of alphas that drift; each decision is the one that the formulas written out by hand ask for."""
    generator = torch.Generator().manual_seed(4)
    edges = edge_list(4)
    alpha = torch.zeros(14, 11, dtype=torch.float64)
    decided, stored, hand_stored, hand_decided, taken = {}, [], [], {}, []
    for epoch in range(12):
        alpha = alpha + 0.4 * torch.randn(14, 11, generator=generator, dtype=torch.float64)
        scores = edge_scores(alpha, choices(AUTOFERNET), stored, criterion)
        hand, ps = by_hand(alpha, hand_stored, criterion)
        assert scores.score.tolist() == pytest.approx(hand, abs=1e-12)
        stored, hand_stored = [*stored, scores.p][-4:], [*hand_stored, ps][-4:]
        if epoch < 4:
            continue
        decided, (edge, name) = decide(scores, decided, AUTOFERNET)
        open_edges = [e for e in range(14) if e not in hand_decided]
        best = max(open_edges, key=lambda e: hand[e])
        operation = AUTOFERNET.operations[1 + ps[best].index(max(ps[best]))]
        hand_decided[best] = operation
        node = edges[best][0]
        entering = [e for e in range(14) if edges[e][0] == node]
        if sum(hand_decided.get(e) is not None for e in entering) == 2:
            hand_decided.update({e: None for e in entering if e not in hand_decided})
        assert (edge, name) == (best, operation) and decided == hand_decided
        taken.append(edge)
    assert len(set(taken)) == 8 and len(decided) == 14
    for node in range(4):
        assert sum(decided[e] is not None for e, (target, _) in enumerate(edges) if target == node) == 2
    with pytest.raises(ContractError, match="every edge is decided"):
        decide(scores, decided, AUTOFERNET)


def test_the_two_criteria_differ_where_an_edge_is_sure_but_restless():
    """Edges 0 and 1 are equally sure now; edge 0 wanted another operation before, so criterion 2 takes edge 1."""
    now, before = torch.zeros(14, 11), torch.zeros(14, 11)
    now[0, 3], now[1, 4] = 4.0, 3.9
    before[0, 7], before[1, 4] = 4.0, 3.9
    old = edge_scores(before, choices(AUTOFERNET), [], 1).p
    first = decide(edge_scores(now, choices(AUTOFERNET), [old], 1), {}, AUTOFERNET)[1]
    second = decide(edge_scores(now, choices(AUTOFERNET), [old], 2), {}, AUTOFERNET)[1]
    assert first == (0, "skip_connect") and second == (1, "sep_conv_3x3")


def test_none_is_never_decided_and_lowers_the_importance():
    alpha = torch.zeros(14, 11)
    alpha[3, 0], alpha[3, 5] = 5.0, 1.0
    scores = edge_scores(alpha, choices(AUTOFERNET), [], 1)
    assert float(scores.importance[3]) == float(scores.importance.min())
    decided = {e: None for e in range(14) if e != 3}
    assert decide(scores, decided, AUTOFERNET)[1] == (3, "sep_conv_5x5")


def test_a_space_without_none_is_scored_by_certainty_alone():
    emonas = space_of("emonas")
    alpha = torch.randn(14, 7, generator=torch.Generator().manual_seed(0))
    scores = edge_scores(alpha, choices(emonas), [], 1)
    assert torch.equal(scores.score, normalise(scores.certainty))


def test_decision_epochs_are_the_published_ones():
    options = SgasConfig()
    assert [e for e in range(50) if options.decides(e, "autofernet")] == [9, 14, 19, 24, 29, 34, 39, 44]
    assert options.total_epochs("autofernet") == 50
    assert [options.made(e, "autofernet") for e in (0, 9, 10, 14, 15, 45, 49)] == [0, 0, 1, 1, 2, 8, 8]
    with pytest.raises(ConfigError, match="expected more than 44"):
        SgasConfig(epochs=44).total_epochs("autofernet")


def test_shares_of_parameters_are_those_of_the_published_code():
    counts = {"sep_conv_3x3": 504, "sep_conv_5x5": 888, "dil_conv_3x3": 252, "dil_conv_5x5": 444, "ghost": 126,
              "conv_1x1": 144, "conv_3x3": 1296}  # fmt: skip
    expected = [counts.get(name, 0) / sum(counts.values()) for name in AUTOFERNET.operations]
    assert parameter_shares(AUTOFERNET).tolist() == pytest.approx(expected, abs=1e-15)


def test_gradients_of_the_complexity_term():
    shares = parameter_shares(AUTOFERNET)
    generator = torch.Generator().manual_seed(1)
    alphas = [torch.randn(14, 11, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    nothing = {"normal": {}, "reduce": {}}
    normal, reduce = torch.autograd.grad(
        complexity_term(alphas, nothing, shares, "published"), alphas, allow_unused=True
    )
    assert reduce is None and bool((normal[1:] == 0).all())
    assert torch.allclose(normal[0], alphas[0][0].detach() * shares, atol=1e-15)
    some = {"normal": {2: "ghost"}, "reduce": {5: None}}
    for gradient, alpha, left_out in zip(
        torch.autograd.grad(complexity_term(alphas, some, shares, "all"), alphas), alphas, (2, 5), strict=True
    ):
        expected = alpha.detach() * shares
        expected[left_out] = 0
        assert torch.allclose(gradient, expected, atol=1e-15)
    assert float(complexity_term(alphas, {"normal": {0: "ghost"}, "reduce": {}}, shares, "published")) == 0
    assert float(complexity_term(alphas, nothing, shares, "none")) == 0


@pytest.mark.parametrize("form", ["plain", "fast"])
def test_decided_edges_get_no_gradient_and_do_not_move(form, tmp_path):
    e = engine(tmp_path, form=form, complexity="all", alpha_weight_decay=0.1)
    for epoch in range(3):
        e.epoch(epoch)
    frozen = {kind: list(e.decided[kind]) for kind in e.decided}
    assert all(len(edges) >= 3 for edges in frozen.values())
    before = e.alphas()
    g = torch.Generator().manual_seed(0)
    e.net.train()
    e.alpha_gradients(e.batch("selection", g), e.batch("weights", g))
    for kind, alpha in zip(frozen, e.net.alphas(), strict=True):
        assert bool((alpha.grad[frozen[kind]] == 0).all())
        moving = [k for k in range(14) if k not in frozen[kind]]
        assert bool((alpha.grad[moving] != 0).any())
    e.epoch(3)
    for kind, old, new in zip(frozen, before, e.alphas(), strict=True):
        assert torch.equal(old[frozen[kind]], new[frozen[kind]])
        still_open = [k for k in range(14) if k not in e.decided[kind]]
        assert bool((old[still_open] != new[still_open]).any(-1).all())


def test_undecided_alphas_step_as_if_each_edge_had_its_own_adam(tmp_path):
    """The published code holds one tensor per edge; restoring frozen rows of one tensor is the same."""
    e = engine(tmp_path)
    e.epoch(0)
    own = [alpha.detach().clone().requires_grad_() for alpha in e.net.alphas()[0]]
    adam = torch.optim.Adam(own, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    state = e.adam.state[e.net.alpha_normal]
    for k, alpha in enumerate(own):
        adam.state[alpha] = {n: (v[k].clone() if v.ndim else v.clone()) for n, v in state.items()}
    g = torch.Generator().manual_seed(0)
    e.net.train()
    for _ in range(2):
        e.alpha_step(e.batch("selection", g), e.batch("weights", g))
        for k, alpha in enumerate(own):
            alpha.grad = None if k in e.decided["normal"] else e.net.alpha_normal.grad[k].clone()
        adam.step()
    assert torch.allclose(e.alphas()[0], torch.stack([a.detach() for a in own]), atol=1e-7)


def test_decided_edges_are_skipped_in_compute(tmp_path):
    e = engine(tmp_path)
    costs = [e.macs_train]
    for epoch in range(8):
        e.epoch(epoch)
        costs.append(e.macs_train)
    assert all(later < earlier for earlier, later in zip(costs, costs[1:], strict=False))
    assert costs[-1] < costs[0] / 5
    assert costs[-1] == decided_macs("autofernet", 3, 4, (3, 8, 8), 3, e.decided)
    ran = []
    for name, module in e.net.named_modules():
        if ".ops." in name and name.split(".ops.")[1].isdigit():
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    e.net(torch.zeros(2, 3, 8, 8))
    cells = len(e.net.cells)
    assert len(ran) == 8 * cells


def test_batches_grow_with_decisions_where_asked(tmp_path):
    e = engine(tmp_path, batch=2, batch_growth=2)
    assert [e.epoch(epoch)["batch"] for epoch in range(3)] == [2, 4, 6]
    e = engine(tmp_path / "b", batch=4)
    assert [e.epoch(epoch)["batch"] for epoch in range(2)] == [4, 4]


@pytest.mark.parametrize("options", [{}, {"criterion": 2, "batch": 2, "batch_growth": 1, "complexity": "all"}])
def test_a_killed_search_continues_to_the_same_bits(options, tmp_path):
    whole = engine(tmp_path / "whole", form="fast", **options)
    rows = [whole.epoch(epoch) for epoch in range(6)]
    first = engine(tmp_path / "first", form="fast", **options)
    for epoch in range(3):
        first.epoch(epoch)
    path = tmp_path / "state.pt"
    torch.save({"state": first.state()}, path)
    second = engine(tmp_path / "second", form="fast", **options)
    second.load(torch.load(path, weights_only=True)["state"])
    assert [second.epoch(epoch) for epoch in range(3, 6)] == rows[3:]
    for a, b in zip(whole.net.state_dict().values(), second.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert second.macs_train == whole.macs_train


@pytest.mark.parametrize("space", ["emonas", "autofernet", "darts"])
def test_the_history_says_when_what_was_decided(space, tmp_path):
    run = small(tmp_path, space)
    architecture = PLUGIN.run(run)
    rows = read_jsonl(tmp_path / "search.jsonl")
    assert len(rows) == 9 and all("decision_normal" in row for row in rows[:8]) and "decision_normal" not in rows[8]
    for kind in ("normal", "reduce"):
        decisions = [tuple(row[f"decision_{kind}"]) for row in rows[:8]]
        edges = edge_list(4)
        expected = sorted((edges[e][0], edges[e][1], name) for e, name in decisions)
        found = [(i // 2, source, name) for i, (name, source) in enumerate(getattr(architecture, kind))]
        assert found == expected
        assert rows[-1][f"undecided_{kind}"] == 0 and len(rows[0][f"score_{kind}"]) == 14
    assert rows[-1]["normal"] == [list(pair) for pair in architecture.normal]
    assert rows[-1]["spent_macs"] == run.budget.spent


def test_tables_of_edges_add_up_to_the_supernet():
    base, tables = supernet_edge_macs("autofernet", 4, 4, (1, 12, 12))
    total = sum(sum(map(sum, table)) for table in tables.values())
    assert base + total == supernet_macs("autofernet", 4, 4, (1, 12, 12))


def test_the_budget_is_known_beforehand_near_what_is_spent_and_never_above_no_decision(tmp_path):
    options = PLUGIN.Config(**SHORT)
    run = small(tmp_path, "autofernet")
    assert run.size == SearchSize("autofernet", NetworkConfig(cells=3, channels=4), 3, (3, 8, 8), PartSizes(8, 6, 3))
    expected = budget(options, run.size)
    assert expected == budget(options, run.size)
    PLUGIN.run(run)
    assert 0.7 < expected / run.budget.spent < 1.4
    full = supernet_macs("autofernet", 3, 4, (3, 8, 8), 3)
    assert expected < full * 9 * (3 * (8 + 6) + 3)


def test_it_refuses_spaces_without_operations_on_edges():
    assert plugins.load("search", "sgas").skip(None)


def test_min_max():
    assert normalise(torch.tensor([1.0, 3.0, 2.0])).tolist() == [0.0, 1.0, 0.5]
    assert normalise(torch.tensor([2.0, 2.0])).tolist() == [1.0, 1.0]
