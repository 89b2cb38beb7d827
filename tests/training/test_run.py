"""Search, training and prediction from files to files, and what happens when something fails or is killed."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from fernas.core.architecture import NamedArchitecture, Network, write_architecture
from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import read_json, read_jsonl, read_parquet, write_json
from fernas.core.run_log import read_status
from fernas.learn.fit import Fitted
from fernas.training.run import load_recipe
from tests.fixtures.toy_jobs import (
    NETWORK,
    SMALL_CNN,
    method_section,
    predict_toy,
    search_toy,
    train_toy_shard,
    write_small_cnn,
)
from tests.fixtures.toy_task import write_task

RECIPE = {"recipe": "plain", "recipe_options": {"epochs": 3, "batch": 8, "lr": 0.05}}
MEAN = {"search": "random_mean", "space": "emonas", "network": NETWORK}


def search(files, out, method=SMALL_CNN, group=0):
    return search_toy(files, out, method, group)


def train(files, out, architectures, shard=0, shards=2, method=RECIPE, **job):
    return train_toy_shard(files, out, architectures, shard, shards, method, **job)


def predict(files, out, architectures, shards=2):
    folders = [out / f"shard{k}" for k in range(shards)]
    return predict_toy(files, out / "predictions.parquet", architectures, folders, RECIPE, "per_group")


def chain(files, out, method=SMALL_CNN, recipe=RECIPE):
    for group in (0, 1):
        assert search(files, out, method, group) == "ok"
    architectures = [out / f"g{group}" / "architecture.json" for group in (0, 1)]
    for shard in (0, 1):
        assert train(files, out, architectures, shard, method=recipe) == "ok"
    assert predict(files, out, architectures) == "ok"
    return read_parquet(out / "predictions.parquet")


@pytest.mark.parametrize("method", [SMALL_CNN, MEAN], ids=["small_cnn", "random_mean"])
def test_the_whole_chain_predicts_every_test_sample_once_and_repeats_bit_for_bit(tmp_path, method):
    files = write_task(tmp_path)
    frame = chain(files, tmp_path / "one", method)
    assert sorted(frame["sample_id"]) == sorted(read_parquet(tmp_path / "inputs.parquet")["sample_id"])
    assert list(frame.columns) == [
        *("sample_id", "subject", "dataset", "group", "fold", "label", "face_status"),
        *("p_low", "p_middle", "p_high"),
    ]
    assert np.allclose(frame[["p_low", "p_middle", "p_high"]].sum(axis=1), 1)
    again = chain(files, tmp_path / "two", method)
    assert frame.equals(again)


def test_outputs_are_complete_and_checkpoints_are_gone(tmp_path):
    files = write_task(tmp_path)
    chain(files, tmp_path / "run")
    shard = tmp_path / "run" / "shard1"
    assert {p.name for p in shard.iterdir()} == {
        *("models.safetensors", "training.jsonl", "cost.json", "metrics.jsonl", "status.json")
    }
    group = tmp_path / "run" / "g0"
    assert {p.name for p in group.iterdir()} == {
        *("architecture.json", "search.jsonl", "cell.svg", "cost.json", "metrics.jsonl", "status.json")
    }
    rows = read_jsonl(shard / "training.jsonl")
    assert [(row["fold"], row["epoch"]) for row in rows] == [(1, 0), (1, 1), (1, 2)]
    assert {"loss", "accuracy", "inner_uar", "inner_uf1", "lr", "seconds"} <= set(rows[0])
    cost = read_json(shard / "cost.json")
    assert cost["core_s"] > 0 and cost["macs"] > 0 and cost["threads"] == 1
    assert read_status(shard)["status"] == "ok"
    assert not any((tmp_path / "work").glob("*/*"))


def test_a_fold_learns_from_weights_and_selection_with_the_architecture_of_its_group(tmp_path, monkeypatch):
    """Its epoch is chosen on inner validation; other groups' architectures have other widths here."""
    files = write_task(tmp_path)
    document = read_json(files.folds)
    document["folds"][0]["group"], document["folds"][1]["group"] = 1, 0
    write_json(files.folds, document)
    architectures = []
    for group, classes in enumerate((3, 4)):
        network = NamedArchitecture(name="small_cnn", network=Network(classes=classes, input=(3, 16, 16)))
        architectures.append(tmp_path / f"g{group}.json")
        write_architecture(architectures[-1], network)
    seen = []
    plugin, options = load_recipe(method_section(**RECIPE))
    recipe = replace(plugin, run=lambda context: seen.extend(context.folds) or {})
    monkeypatch.setattr("fernas.training.run.load_recipe", lambda method: (recipe, options))
    assert train(files, tmp_path / "run", architectures, shard=0, shards=1) == "ok"
    for fold, entry in zip(seen, document["folds"], strict=True):
        assert fold.train.ids == entry["weights"] + entry["selection"]
        assert fold.inner.ids == entry["inner_validation"]
        assert fold.architecture.network.classes == (4 if fold.fold == 0 else 3)


def test_every_fold_has_a_seed_of_its_own_from_which_its_weights_start(tmp_path, monkeypatch):
    started = []

    def fit_nothing(fold):
        started.append((fold.seed, next(fold.net.parameters()).detach().clone()))
        return Fitted(0, None)

    monkeypatch.setattr("fernas.training.plain.fit_fold", fit_nothing)
    files = write_task(tmp_path)
    network = write_small_cnn(tmp_path / "a.json")
    for seed in (7, 8):
        assert train(files, tmp_path / str(seed), [network] * 2, shard=0, shards=1, seed=seed) == "ok"
    seeds, weights = zip(*started, strict=True)
    assert len(set(seeds)) == 4
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(weights, 2))


def test_one_shard_of_all_folds_gives_the_same_predictions_as_two(tmp_path):
    """Folds do not influence each other."""
    files = write_task(tmp_path)
    two = chain(files, tmp_path / "two")
    architectures = [tmp_path / "two" / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert train(files, tmp_path / "one", architectures, shard=0, shards=1) == "ok"
    assert predict(files, tmp_path / "one", architectures, shards=1) == "ok"
    assert two.equals(read_parquet(tmp_path / "one" / "predictions.parquet"))


def test_it_learns_the_bars(tmp_path):
    frame = chain(
        write_task(tmp_path), tmp_path / "run", recipe={**RECIPE, "recipe_options": {"epochs": 12, "lr": 0.05}}
    )
    predictions = frame[["p_low", "p_middle", "p_high"]].to_numpy().argmax(1)
    assert (np.array(["low", "middle", "high"])[predictions] == frame["label"]).mean() > 0.8


def test_a_killed_shard_continues_at_its_fold_and_epoch(tmp_path, monkeypatch):
    files = write_task(tmp_path)
    chain(files, tmp_path / "whole")
    architectures = [tmp_path / "whole" / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert train(files, tmp_path / "expected", architectures, shard=0, shards=1) == "ok"

    class Killed(BaseException):
        pass

    save = CheckpointStore.save

    def dying(self, state):
        save(self, state)
        if state["done"] and state.get("fit") and len(state["fit"]["rows"]) == 1:  # in the second fold
            raise Killed

    monkeypatch.setattr(CheckpointStore, "save", dying)
    with pytest.raises(Killed):
        train(files, tmp_path / "again", architectures, shard=0, shards=1, every_s=0.0)
    monkeypatch.undo()
    assert len(read_jsonl(tmp_path / "again" / "shard0" / "training.jsonl")) >= 4
    for path in (tmp_path / "again" / "shard0").iterdir():
        path.unlink()  # as Snakemake removes the outputs of a job that did not end
    assert train(files, tmp_path / "again", architectures, shard=0, shards=1) == "ok"
    one, two = (tmp_path / name / "shard0" / "models.safetensors" for name in ("expected", "again"))
    assert one.read_bytes() == two.read_bytes()
    rows = [read_jsonl(tmp_path / name / "shard0" / "training.jsonl") for name in ("expected", "again")]
    strip = [[{k: v for k, v in row.items() if k != "seconds"} for row in table] for table in rows]
    assert strip[0] == strip[1]


def test_a_failure_of_science_is_a_status_and_travels_down_the_chain(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    method = {"search": "darts_first", "space": "emonas", "network": NETWORK}
    method["search_options"] = {"epochs": 1, "lr": 1e30, "clip": 1e30, "lr_min": 1e30}
    assert search(files, out, method, 0) == "failed"
    status = read_status(out / "g0")
    assert status["status"] == "failed" and "finite" in status["reason"]
    assert (out / "g0" / "architecture.json").stat().st_size == 0
    search(files, out, SMALL_CNN, 1)
    architectures = [out / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert train(files, out, architectures, 0) == "failed"
    assert "finite" in read_status(out / "shard0")["reason"]
    assert train(files, out, architectures, 1) == "ok"
    assert predict(files, out, architectures) == "failed"
    assert (out / "predictions.parquet").stat().st_size == 0


def test_a_diverging_training_is_a_failed_shard(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    search(files, out, SMALL_CNN, 0)
    method = {"recipe": "plain", "recipe_options": {"epochs": 2, "lr": 1e30, "clip": 0}}
    assert train(files, out, [out / "g0" / "architecture.json"], method=method) == "failed"
    assert "loss became" in read_status(out / "shard0")["reason"]


def test_search_and_training_never_open_the_test_ids(tmp_path):
    """The file of test ids may be absent until prediction."""
    files, out = write_task(tmp_path), tmp_path / "run"
    held = files.test_folds.read_text()
    files.test_folds.unlink()
    search(files, out, SMALL_CNN, 0)
    search(files, out, SMALL_CNN, 1)
    architectures = [out / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert all(train(files, out, architectures, k) == "ok" for k in (0, 1))
    files.test_folds.write_text(held)
    assert predict(files, out, architectures) == "ok"
