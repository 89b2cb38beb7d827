"""Every search method on every space: the contract that plug-ins keep, on a handful of 16 px images."""

import json
from dataclasses import replace

import pytest

from fernas.core import plugins
from fernas.core.architecture import architecture_json, parse_architecture
from fernas.core.checkpoint import CheckpointStore
from fernas.core.errors import ContractError
from tests.fixtures.toy_searches import SHORT, Killed, search_context
from tests.fixtures.toy_task import part

METHODS = plugins.available("search")
SPACES = (*plugins.available("spaces"), None)
# with something to resume after the first save
LONGER = {name: {**SHORT[name], "epochs": 2} for name in ("darts_first", "darts_second", "pdarts", "pcdarts")}
PAIRS = [(method, space) for method in METHODS for space in SPACES]


def pair(method: str, space: str | None):
    plugin = plugins.load("search", method)
    reason = plugin.skip(space)
    if reason:
        assert len(reason) > 10
        pytest.skip(reason)
    return plugin


@pytest.mark.parametrize("method", METHODS)
def test_unknown_keys_are_refused(method):
    with pytest.raises(ValueError, match="no_such_option"):
        plugins.load("search", method).Config(**SHORT.get(method, {}), no_such_option=1)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_makes_sense_somewhere_and_says_why_not_elsewhere(method):
    reasons = [plugins.load("search", method).skip(space) for space in SPACES]
    assert None in reasons
    assert all(reason is None or isinstance(reason, str) for reason in reasons)


@pytest.mark.parametrize(("method", "space"), PAIRS)
def test_same_seed_same_architecture_and_it_round_trips_and_builds(method, space, tmp_path):
    import torch

    from fernas.spaces.networks import build_network

    plugin = pair(method, space)
    one = plugin.run(search_context(method, space, tmp_path / "one"))
    two = plugin.run(search_context(method, space, tmp_path / "two"))
    document = architecture_json(one)
    assert document == architecture_json(two)
    assert parse_architecture(json.loads(json.dumps(document))) == one
    assert one.network is not None and one.network.classes == 3 and one.network.input == (3, 16, 16)
    with torch.no_grad():
        assert build_network(one).eval()(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


@pytest.mark.parametrize(("method", "space"), [(m, s) for m, s in PAIRS if s in ("emonas", "patches", None)])
def test_an_interrupted_search_equals_an_uninterrupted_one(method, space, tmp_path, monkeypatch):
    plugin = pair(method, space)
    if not plugin.uses_data:
        pytest.skip("nothing to interrupt: no data, no epochs")
    more = {"options": plugin.Config(**LONGER.get(method, SHORT.get(method, {})))}
    reference = search_context(method, space, tmp_path / "reference", **more)
    expected = plugin.run(reference)
    killed = search_context(method, space, tmp_path / "again", **more)
    saves = 0
    save = CheckpointStore.save

    def dying(self, state):
        nonlocal saves
        save(self, state)
        saves += 1
        if saves == 1:
            raise Killed

    monkeypatch.setattr(CheckpointStore, "save", dying)
    with pytest.raises(Killed):
        plugin.run(killed)
    monkeypatch.undo()
    resumed = search_context(method, space, tmp_path / "again", **more)
    assert architecture_json(plugin.run(resumed)) == architecture_json(expected)
    assert resumed.budget.spent == reference.budget.spent > 0

    def history(folder):
        rows = [json.loads(line) for line in (folder / "search.jsonl").read_text().splitlines()]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    assert history(tmp_path / "again") == history(tmp_path / "reference")


@pytest.mark.parametrize(("method", "space"), [(m, s) for m, s in PAIRS if s in ("emonas", "patches")])
def test_a_search_that_uses_data_refuses_an_empty_part(method, space, tmp_path):
    plugin = pair(method, space)
    full = part(6, seed=2)
    empty = replace(full, rows=full.rows[:0], labels=full.labels[:0], ids=[], subjects=[])
    run = search_context(method, space, tmp_path, selection=empty)
    if not plugin.uses_data:
        assert plugin.run(run)
        return
    with pytest.raises(ContractError, match="weights and selection need samples, got 8 and 0"):
        plugin.run(run)


@pytest.mark.parametrize(("method", "space"), PAIRS)
def test_the_budget_known_beforehand_is_what_is_spent(method, space, tmp_path):
    plugin = pair(method, space)
    if plugin.uses_data and plugin.budget is None:
        pytest.skip("its budget is not known beforehand")
    run = search_context(method, space, tmp_path)
    plugin.run(run)
    known = plugin.budget(run.options, run.size) if plugin.uses_data else 0.0
    assert known == pytest.approx(run.budget.spent, rel=1e-12 if plugin.budget_exact else 0.5)


def test_toy_parts_do_not_share_noise():
    assert not (part(6, seed=1).images == part(6, seed=2).images).all()
