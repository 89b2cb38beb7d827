"""Ranks of inherited and trained scores: worked by hand, on a tiny search, and through a kill."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import validate_section
from fernas.core.errors import ConfigError
from fernas.core.io import read_json, read_jsonl
from fernas.learn.augment import evaluation_view
from fernas.learn.evaluate import evaluate
from fernas.learn.passes import Passes
from fernas.search._agreement import decisions_of, inherited_scores, renew_statistics
from fernas.search._darts import Darts
from fernas.search.context import PartSizes
from fernas.search.darts_first import PLUGIN as FIRST
from fernas.search.darts_first import agreement_cells, cell_macs
from fernas.search.darts_second import PLUGIN as SECOND
from fernas.search.run import SearchSpec, run_search
from fernas.spaces.networks import build_network
from fernas.spaces.supernet import architecture_of, make_supernet
from fernas.spaces.supernet.plain import KINDS
from tests.fixtures.supernets import decided_macs
from tests.fixtures.toy_searches import Killed, darts_engine, search_context
from tests.fixtures.toy_task import part, write_task

CPU = torch.device("cpu")
SHORT = {"epochs": 1, "batch": 8, "batch_share": 1.0}
AGREEMENT = {"cells": 3, "epochs": 1, "batch": 8, "batch_share": 1.0, "augment": {"padding": 2}}


def agreeing(folder, **options):
    options = FIRST.Config(**SHORT, agreement=AGREEMENT, **options)
    return search_context(
        "darts_first", "emonas", folder, options=options, weights=part(12, seed=1), selection=part(9, seed=2)
    )


def scored(folder):
    rows = read_jsonl(folder / "search.jsonl")
    return [row for row in rows if "agreement" in row], rows[-1]


def test_cells_come_from_names_and_from_what_is_left_of_the_space():
    options = FIRST.Config(agreement={"cells": 5}, without=["skip_connect"], nodes=3)
    cells = agreement_cells(options, "emonas")
    assert cells == agreement_cells(options, "emonas") and len({cell.model_dump_json() for cell in cells}) == 5
    assert cells[:3] == agreement_cells(
        FIRST.Config(agreement={"cells": 3}, without=["skip_connect"], nodes=3), "emonas"
    )
    assert not {name for cell in cells for name, _ in (*cell.normal, *cell.reduce)} & {"skip_connect"}
    assert all(len(cell.normal) == 6 for cell in cells)


def moved(supernet, cell, network):
    """The final network of a cell with the weights that its operations have in the supernet."""
    final = build_network(cell.model_copy(update={"network": network}))
    final.all_nodes = False  # the modules as written
    pieces = [(supernet.stem, final.stem), (supernet.classifier, final.classifier)]
    for old, new in zip(supernet.cells, final.cells, strict=True):
        pieces += [(old.pre_0, new.pre_0), (old.pre_1, new.pre_1)]
        kind = "reduce" if old.reduction else "normal"
        for position, (name, source) in enumerate(getattr(cell, kind)):
            edge = old.edge_list.index((position // 2, source))
            pieces.append((old.edges[edge].ops[old.names.index(name)], new.operations[position]))
    for old, new in pieces:
        new.load_state_dict(old.state_dict(), strict=False)  # affine BatchNorm starts at one and zero
    return final


@pytest.mark.parametrize("form", ["plain", "fast"])
def test_inherited_scores_are_those_of_the_cells_own_network_with_the_supernets_weights(form, tmp_path):
    pools = ["max_pool_3x3", "avg_pool_3x3"]  # those of a final network stand without BatchNorm
    e = darts_engine(Darts, tmp_path, form=form, without=pools, agreement={"cells": 3, "epochs": 1})
    e.epoch(0)
    run, passes = e.context, Passes(None, CPU)
    state = {name: tensor.clone() for name, tensor in e.net.state_dict().items()}
    random, spent = torch.get_rng_state(), run.budget.spent
    found = inherited_scores(run, e.net, CPU, passes)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(tensor, state[name]) for name, tensor in e.net.state_dict().items())
    plain = make_supernet("emonas", 3, 4, 3, 3, "plain")
    plain.load_state_dict(state)
    costs = []
    for cell, scores in zip(agreement_cells(run.options, "emonas"), found, strict=True):
        net = moved(plain, cell, run.network_block())
        renew_statistics(net, run, CPU, passes)
        expected = evaluate(net, run.selection, run.options.augment, 3, CPU)
        assert scores["loss"] == pytest.approx(expected["loss"], rel=1e-4) and scores["uar"] == expected["uar"]
        decisions = {kind: decisions_of(cell, kind) for kind in KINDS}
        assert architecture_of("emonas", decisions["normal"], decisions["reduce"]) == cell
        costs.append(cell_macs(cell, 3, run.size))
        assert costs[-1] == decided_macs("emonas", 3, 4, run.input_shape, 3, decisions)
    assert len({scores["loss"] for scores in found}) == 3
    assert run.budget.spent - spent == sum(costs) * (len(run.weights) + len(run.selection))


def test_statistics_are_the_means_over_the_batches_of_a_pass(tmp_path):
    run = darts_engine(Darts, tmp_path).context
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    renew_statistics(net, run, CPU, Passes(None, CPU))
    images = evaluation_view(run.weights.batch(np.arange(12)), run.options.augment)
    assert torch.allclose(net[0].running_mean, images.mean((0, 2, 3)), atol=1e-5)
    first = net[0].running_var.clone()
    renew_statistics(net, run, CPU, Passes(None, CPU))
    assert torch.equal(net[0].running_var, first) and not net.training


def test_a_search_writes_a_row_per_cell_and_how_they_agree_and_the_budget_knows_it(tmp_path):
    run = agreeing(tmp_path)
    found = FIRST.run(run)
    rows, last = scored(tmp_path)
    assert [row["agreement"] for row in rows] == [0, 1, 2]
    for row, cell in zip(rows, agreement_cells(run.options, "emonas"), strict=True):
        assert row["normal"] == [list(pair) for pair in cell.normal]
        assert 0 <= row["inherited_uar"] <= 1 and math.isfinite(row["trained_loss"])
    assert last["agreement_count"] == 3 and -1 <= last["agreement_kendall"] <= 1
    assert last["agreement_low"] <= last["agreement_kendall"] <= last["agreement_high"]
    inherited, trained = ([r[f"{s}_uar"] - 1e-6 * r[f"{s}_loss"] for r in rows] for s in ("inherited", "trained"))
    by_hand = stats.kendalltau(inherited, trained).statistic
    assert last["agreement_kendall"] == pytest.approx(by_hand)
    assert run.size.parts == PartSizes(12, 9, 6)
    known = FIRST.budget(run.options, run.size)
    assert known == run.budget.spent == rows[-1]["spent_macs"]
    metrics = read_jsonl(tmp_path / "metrics.jsonl")
    assert metrics[-1]["agreement_kendall"] == last["agreement_kendall"] and "trained_uar" in metrics[-2]

    parts = {"weights": run.weights, "selection": run.selection}
    without = search_context("darts_first", "emonas", tmp_path / "without", options=FIRST.Config(**SHORT), **parts)
    assert FIRST.run(without) == found  # asking changes nothing about what is found
    second = [SECOND.budget(SECOND.Config(**SHORT, **more), run.size) for more in ({"agreement": AGREEMENT}, {})]
    assert second[0] - second[1] == known - FIRST.budget(without.options, run.size) > 0


def test_other_depths_are_searched_and_trained(tmp_path):
    run = agreeing(tmp_path, search_cells=4)
    FIRST.run(run)
    rows, _ = scored(tmp_path)
    cells = agreement_cells(run.options, "emonas")
    assert [row["macs"] for row in rows] == [cell_macs(c, 3, run.size) for c in cells]
    known = FIRST.budget(run.options, run.size)
    assert known == run.budget.spent


def history(folder):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_jsonl(folder / "search.jsonl")]


def test_a_kill_at_any_save_changes_no_bit(tmp_path, monkeypatch):
    expected = agreeing(tmp_path / "whole", max_skips=[None, 0], choice=SHORT)
    architecture = FIRST.run(expected)
    save, saves, phases = CheckpointStore.save, 0, set()

    def dying(self, state):
        nonlocal saves
        save(self, state)
        saves += 1
        phases.add(("trained" in state, "fit" in state, "done" in state))
        raise Killed

    monkeypatch.setattr(CheckpointStore, "save", dying)
    for _ in range(100):
        again = agreeing(tmp_path / "killed", max_skips=[None, 0], choice=SHORT)
        try:
            found = FIRST.run(again)
        except Killed:
            continue
        break
    assert saves > 8 and {(True, True, True), (True, False, True), (False, False, True)} <= phases
    assert found == architecture and again.budget.spent == expected.budget.spent
    assert history(tmp_path / "killed") == history(tmp_path / "whole")


def test_from_files_to_files(tmp_path):
    files = write_task(tmp_path / "task")
    method = {
        "search": "darts_first",
        "space": "emonas",
        "network": {"cells": 3, "channels": 4},
        "search_options": {**SHORT, "agreement": AGREEMENT},
    }
    job = files.job(tmp_path / "out", "key", 3)
    assert run_search(job, SearchSpec.of({"method": method}, "per_group", 0)) == "ok"
    _, last = scored(tmp_path / "out")
    row = read_jsonl(tmp_path / "out" / "search.jsonl")[-2]
    assert last["agreement_count"] == 3
    assert read_json(tmp_path / "out" / "cost.json")["macs"] == row["spent_macs"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"agreement": {"cells": 2}}, "agreement.cells: .*greater than or equal to 3, got 2"),
        ({"agreement": {"cell": 4}}, "agreement.cell: unknown key.*did you mean 'cells'"),
        ({"agreement": {"cells": 4, "epochs": 0}}, "agreement.epochs"),
        ({"agreement": {"select": "inner_validation"}}, "agreement.select"),
        ({"agreement": {}, "cells": [4, 8]}, "one number of cells"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        validate_section(FIRST.Config, options, "search darts_first: search_options")
