"""Search, training and prediction from files to files, and what happens when something fails or is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fernas.core.checkpoint import CheckpointStore
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import read_json, read_jsonl, read_parquet, write_json
from fernas.core.run_log import read_status
from fernas.search.run import SearchSpec, run_search, scope_parts, search_budget_for
from fernas.training.combine import combine_predictions
from tests.fixtures.training_jobs import predict_toy, train_toy
from tests.toy_task import write_task

NETWORK = {"cells": 3, "channels": 8}  # a width that the compiled kernels serve
FIXED = {"search": "fixed", "search_options": {"name": "small_cnn"}}
RECIPE = {"recipe": "plain", "recipe_options": {"epochs": 3, "batch": 8, "lr": 0.05}}
MEAN = {"search": "random_mean", "space": "emonas", "network": NETWORK}


def search(files, out, method=FIXED, group=0, limit=None, **more):
    spec = SearchSpec.of({"method": method, "limit": limit}, "per_group", group)
    return run_search(files.job(out / f"g{group}", f"search-{out.name}-{group}", 5, **more), spec)


def train(files, out, architectures, shard=0, shards=2, method=RECIPE, **more):
    values = {"scope": "per_group", "seed": 7, "run_key": f"train-{out.name}-{shard}", **more}
    return train_toy(files, out / f"shard{shard}", architectures, method, shard=(shard, shards), **values)


def predict(files, out, architectures, shards=2):
    folders = [out / f"shard{k}" for k in range(shards)]
    return predict_toy(files, out / "predictions.parquet", architectures, folders, RECIPE, "per_group")


def chain(files, out, method=FIXED, recipe=RECIPE):
    for group in (0, 1):
        assert search(files, out, method, group) == "ok"
    architectures = [out / f"g{group}" / "architecture.json" for group in (0, 1)]
    for shard in (0, 1):
        assert train(files, out, architectures, shard, method=recipe) == "ok"
    assert predict(files, out, architectures) == "ok"
    return read_parquet(out / "predictions.parquet")


@pytest.mark.parametrize("method", [FIXED, MEAN], ids=["small_cnn", "random_mean"])
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


@pytest.mark.slow
def test_a_search_survives_kill_9(tmp_path):
    """A real SIGKILL after three epochs, then the same call: same genotype, no finished epoch repeated."""
    files = write_task(tmp_path, each=12)
    method = {
        "search": "darts_first",
        "space": "emonas",
        "network": NETWORK,
        "search_options": {"epochs": 8, "batch": 8},
    }
    assert search(files, tmp_path / "whole", method) == "ok"
    code = (
        "import sys, json; from pathlib import Path; sys.path.insert(0, '.');"
        "from tests.training.test_run import search; from tests.toy_task import TaskFiles;"
        f"search(TaskFiles(Path({str(tmp_path)!r})), Path({str(tmp_path / 'killed')!r}), {method!r}, every_s=0.0)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], env={**os.environ})
    history = tmp_path / "killed" / "g0" / "search.jsonl"
    end = time.monotonic() + 300
    while len(read_jsonl(history)) < 3 and time.monotonic() < end and job.poll() is None:
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    done = len(read_jsonl(history))
    assert 3 <= done < 8
    state = CheckpointStore(tmp_path / "work", "search-killed-0").load()
    assert state is not None and state["engine"]["epoch"] >= done - 1
    assert search(files, tmp_path / "killed", method) == "ok"
    one, two = (tmp_path / name / "g0" / "architecture.json" for name in ("whole", "killed"))
    assert one.read_bytes() == two.read_bytes()
    alphas = [
        [row["alpha_normal"] for row in read_jsonl(tmp_path / name / "g0" / "search.jsonl")]
        for name in ("whole", "killed")
    ]
    assert alphas[0] == alphas[1]


def test_a_failure_of_science_is_a_status_and_travels_down_the_chain(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    method = {"search": "darts_first", "space": "emonas", "network": NETWORK}
    method["search_options"] = {"epochs": 1, "lr": 1e30, "clip": 1e30, "lr_min": 1e30}
    assert search(files, out, method, 0) == "failed"
    status = read_status(out / "g0")
    assert status["status"] == "failed" and "finite" in status["reason"]
    assert (out / "g0" / "architecture.json").stat().st_size == 0
    search(files, out, FIXED, 1)
    architectures = [out / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert train(files, out, architectures, 0) == "failed"
    assert "finite" in read_status(out / "shard0")["reason"]
    assert train(files, out, architectures, 1) == "ok"
    assert predict(files, out, architectures) == "failed"
    assert (out / "predictions.parquet").stat().st_size == 0


def test_a_diverging_training_is_a_failed_shard(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    search(files, out, FIXED, 0)
    method = {"recipe": "plain", "recipe_options": {"epochs": 2, "lr": 1e30, "clip": 0}}
    assert train(files, out, [out / "g0" / "architecture.json"], method=method) == "failed"
    assert "loss became" in read_status(out / "shard0")["reason"]


def test_an_empty_part_is_a_broken_contract_and_a_failed_search(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    document = read_json(tmp_path / "folds.train.json")
    document["groups"][0]["selection"] = []
    write_json(tmp_path / "folds.train.json", document)
    method = {"search": "darts_first", "space": "emonas", "network": NETWORK, "search_options": {"epochs": 1}}
    assert search(files, out, method) == "failed"
    assert "selection" in read_status(out / "g0")["reason"]


def test_absent_files_are_raised_not_recorded_as_science(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    (tmp_path / "inputs.npy").unlink()
    with pytest.raises(DataError, match=r"inputs\.npy"):
        search(files, out)


@pytest.mark.parametrize(
    ("method", "match"),
    [
        ({"search": "darts_frist", "space": "emonas"}, "did you mean 'darts_first'"),
        ({"search": "darts_first", "space": "emonas", "search_options": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"search": "darts_first"}, "space"),
        ({"search": "fixed", "space": "emonas", "search_options": {"name": "small_cnn"}}, "no search space"),
    ],
)
def test_errors_in_the_method_are_config_errors(tmp_path, method, match):
    files = write_task(tmp_path)
    with pytest.raises(ConfigError, match=match):
        search(files, tmp_path / "run", method)


def test_scopes_take_their_own_training_side(tmp_path):
    document = read_json(write_task(tmp_path).common["folds_train_json"])
    assert scope_parts(document, "per_group", 1)["weights"] == document["groups"][1]["weights"]
    assert scope_parts(document, "per_fold", 0)["selection"] == document["folds"][0]["selection"]
    assert scope_parts(document, "whole_dataset", 0)["weights"] == document["whole"]["weights"]
    with pytest.raises(ContractError, match="no group 5"):
        scope_parts(document, "per_group", 5)


def test_random_is_limited_to_the_other_methods_budget(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    first = {
        "search": "darts_first",
        "space": "emonas",
        "network": NETWORK,
        "search_options": {"epochs": 2, "batch": 8},
    }
    spec = SearchSpec.of({"method": first}, "per_group", 0)
    limit = search_budget_for(spec, files.common["inputs_npy"], files.common["folds_train_json"])
    short = {"train": {"epochs": 2, "batch": 8}}
    method = {
        "search": "random",
        "space": "emonas",
        "network": NETWORK,
        "search_options": short,
    }
    assert search(files, out, method, limit=first) == "ok"
    spent = read_json(out / "g0" / "cost.json")["macs"]
    assert 0.5 * limit < spent <= limit
    assert len(read_jsonl(out / "g0" / "search.jsonl")) > 2


def test_search_and_training_never_open_the_test_ids(tmp_path):
    """The file of test ids may be absent until prediction."""
    files, out = write_task(tmp_path), tmp_path / "run"
    held = files.test.read_text()
    files.test.unlink()
    search(files, out, FIXED, 0)
    search(files, out, FIXED, 1)
    architectures = [out / f"g{g}" / "architecture.json" for g in (0, 1)]
    assert all(train(files, out, architectures, k) == "ok" for k in (0, 1))
    files.test.write_text(held)
    assert predict(files, out, architectures) == "ok"


def test_combining_predictions_equals_the_mean_of_the_logits(tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (3, 10, 4))
    names = ["p_a", "p_b", "p_c", "p_d"]
    frames = []
    for z in logits:
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        frame = pd.DataFrame(p, columns=names)
        frame.insert(0, "sample_id", [f"s{i}" for i in range(10)])
        frame.insert(1, "fold", 0)
        frame.insert(2, "label", "a")
        frames.append(frame)
    mean = logits.mean(0)
    expected = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    shuffled = frames[1].sample(frac=1, random_state=1)
    combined = combine_predictions([frames[0], shuffled, frames[2]])
    assert np.allclose(combined[names].to_numpy(), expected)
    with pytest.raises(ContractError, match="sample_id"):
        combine_predictions([frames[0], frames[1].assign(sample_id="other")])
    assert json.dumps(list(combined.columns))


def test_plug_in_configs_need_no_torch():
    code = (
        "import sys; from fernas.core import plugins;"
        "[plugins.load(k, n).Config for k in ('search', 'training') for n in plugins.available(k)];"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules, 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
