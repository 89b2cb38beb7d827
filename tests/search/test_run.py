"""A search from files to files: its parts, its budget, its errors, and a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import MethodConfig
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import read_json, read_jsonl, write_json
from fernas.core.run_log import read_status
from fernas.search.context import PartSizes
from fernas.search.run import SearchSpec, scope_parts, search_budget_for, search_budget_macs
from tests.fixtures.toy_jobs import NETWORK, SMALL_CNN, search_toy
from tests.fixtures.toy_task import write_task


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
    assert search_toy(files, tmp_path / "whole", method) == "ok"
    code = (
        "import sys, json; from pathlib import Path; sys.path.insert(0, '.');"
        "from tests.fixtures.toy_jobs import search_toy; from tests.fixtures.toy_task import TaskFiles;"
        f"search_toy(TaskFiles(Path({str(tmp_path)!r})), Path({str(tmp_path / 'killed')!r}), {method!r}, every_s=0.0)"
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
    assert search_toy(files, tmp_path / "killed", method) == "ok"
    one, two = (tmp_path / name / "g0" / "architecture.json" for name in ("whole", "killed"))
    assert one.read_bytes() == two.read_bytes()
    alphas = [
        [row["alpha_normal"] for row in read_jsonl(tmp_path / name / "g0" / "search.jsonl")]
        for name in ("whole", "killed")
    ]
    assert alphas[0] == alphas[1]


def test_an_empty_part_is_a_broken_contract_and_a_failed_search(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    document = read_json(tmp_path / "folds.train.json")
    document["groups"][0]["selection"] = []
    write_json(tmp_path / "folds.train.json", document)
    method = {"search": "darts_first", "space": "emonas", "network": NETWORK, "search_options": {"epochs": 1}}
    assert search_toy(files, out, method) == "failed"
    assert "selection" in read_status(out / "g0")["reason"]


def test_absent_files_are_raised_not_recorded_as_science(tmp_path):
    files, out = write_task(tmp_path), tmp_path / "run"
    (tmp_path / "inputs.npy").unlink()
    with pytest.raises(DataError, match=r"inputs\.npy"):
        search_toy(files, out, SMALL_CNN)


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
        search_toy(files, tmp_path / "run", method)


def test_scopes_take_the_parts_of_their_train_split(tmp_path):
    document = read_json(write_task(tmp_path).folds)
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
    limit = search_budget_for(spec, files.inputs, files.folds)
    short = {"train": {"epochs": 2, "batch": 8}}
    method = {
        "search": "random",
        "space": "emonas",
        "network": NETWORK,
        "search_options": short,
    }
    assert search_toy(files, out, method, limit=first) == "ok"
    spent = read_json(out / "g0" / "cost.json")["macs"]
    assert 0.5 * limit < spent <= limit
    assert len(read_jsonl(out / "g0" / "search.jsonl")) > 2


def test_the_published_scope_takes_the_pools_by_position():
    parts = {"weights": ["a", "b"], "selection": ["c"], "inner_validation": []}
    assert scope_parts({"published": parts}, "published", 0) == parts
    with pytest.raises(ContractError, match="only the official split has it"):
        scope_parts({"groups": []}, "published", 0)


def test_plug_in_configs_need_no_torch():
    code = (
        "import sys; from fernas.core import plugins;"
        "[plugins.load('search', name).Config for name in plugins.available('search')];"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules, 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_the_auto_stem_halves_images_above_64_px(tmp_path):
    method = {"search": "darts_first", "space": "emonas", "search_options": {"epochs": 1}}
    parts = PartSizes(weights=8, selection=8)

    def macs(stem, side):
        section = {**method, "network": {"cells": 3, "channels": 4, "stem": stem}}
        return search_budget_macs(MethodConfig.model_validate(section), 5, (3, side, side), parts)

    assert macs("auto", 64) == macs("plain", 64) > macs("auto", 66) == macs("stride2", 66)
    section = {"search": "random_mean", "space": "emonas", "network": {**NETWORK, "stem": "auto"}}
    assert search_toy(write_task(tmp_path), tmp_path / "run", section) == "ok"
    assert read_json(tmp_path / "run" / "g0" / "architecture.json")["network"]["stem"] == "plain"
