"""A learning rate chosen by inner validation: each is paid for, the best one's weights stay, a kill changes nothing."""

import pytest
from safetensors.torch import load_file

from fernas.core.config import MethodConfig, validate_section
from fernas.core.errors import ConfigError
from fernas.core.io import read_json, read_jsonl, write_json
from fernas.learn.history import rows_of_chosen_rates
from fernas.training.plain import PlainConfig
from fernas.training.run import load_recipe
from tests.fixtures.toy_jobs import NO_AUGMENTATION, train_toy, write_small_cnn
from tests.fixtures.toy_task import write_task

OPTIONS = {"epochs": 3, "batch": 8, "augment": NO_AUGMENTATION}
RATES = [0.0001, 0.03, 0.005]


def run(tmp_path, name, options, edit=None):
    files = write_task(tmp_path)
    if edit is not None:
        edit(files)
    architecture = write_small_cnn(tmp_path / "a.json")
    method = {"recipe": "plain", "recipe_options": {**OPTIONS, **options}}
    return train_toy(files, tmp_path / name, [architecture], method), tmp_path / name


def weights(folder):
    return load_file(folder / "models.safetensors")


def test_the_chosen_weights_are_those_of_a_training_at_that_rate_alone(tmp_path):
    status, out = run(tmp_path, "three", {"lr_choices": RATES})
    assert status == "ok"
    rows = read_jsonl(out / "training.jsonl")
    alone = {lr: run(tmp_path, f"lr{lr}", {"lr": lr})[1] for lr in RATES}
    models = weights(out)
    macs = {lr: read_json(folder / "cost.json")["macs"] for lr, folder in alone.items()}
    for choice in [row for row in rows if row.get("kind") == "rates"]:
        fold, tried = choice["fold"], choice["tried"]
        best = {
            lr: max((r["inner_uar"], -r["inner_loss"]) for r in read_jsonl(f / "training.jsonl") if r["fold"] == fold)
            for lr, f in alone.items()
        }
        assert [entry["lr"] for entry in tried] == RATES
        assert choice["lr"] == max(best, key=lambda lr: best[lr])
        for name, value in weights(alone[choice["lr"]]).items():
            assert not name.startswith(f"fold{fold}/") or models[name].equal(value)
    cost = read_json(out / "cost.json")
    assert cost["macs"] == pytest.approx(sum(macs.values()))
    assert cost["choice_macs"] == pytest.approx(sum(macs.values()) * 2 / 3)  # the same epochs with each rate
    assert read_json(alone[0.03] / "cost.json")["choice_macs"] == 0
    assert {row["lr_choice"] for row in rows if "epoch" in row} == set(RATES)


def test_a_rate_that_explodes_is_out_and_all_of_them_are_a_failure(tmp_path):
    status, out = run(tmp_path, "mixed", {"lr_choices": [1e30, 0.03], "clip": 0})
    assert status == "ok"
    choices = [row for row in read_jsonl(out / "training.jsonl") if row.get("kind") == "rates"]
    assert len(choices) == 2
    assert all(row["lr"] == 0.03 and "loss became" in row["tried"][0]["failed"] for row in choices)
    status, out = run(tmp_path, "hopeless", {"lr_choices": [1e30, 1e29], "clip": 0})
    assert status == "failed" and "every learning rate" in read_json(out / "status.json")["reason"]


def test_without_inner_validation_there_is_nothing_to_choose_by(tmp_path):
    def empty(files):
        document = read_json(files.folds)
        for fold in document["folds"]:
            fold["inner_validation"] = []
        write_json(files.folds, document)

    status, out = run(tmp_path, "none", {"lr_choices": RATES, "select": "last"}, empty)
    assert status == "failed" and "chosen by inner validation" in read_json(out / "status.json")["reason"]


@pytest.mark.parametrize(
    "options", [{"lr_choices": [0.1]}, {"lr_choices": [0.1, 0.1]}, {"lr_choices": [0.1, -1]},
                {"lr_choices": [0.1, 0.2], "oracle_every": 1}],
)  # fmt: skip
def test_choices_that_are_none_are_refused(options):
    with pytest.raises(ConfigError, match="lr_choices"):
        validate_section(PlainConfig, options, "recipe_options")


def test_curves_are_those_of_the_chosen_rate(tmp_path):
    _, out = run(tmp_path, "three", {"lr_choices": RATES})
    rows = read_jsonl(out / "training.jsonl")
    chosen = {row["fold"]: row["lr"] for row in rows if row.get("kind") == "rates"}
    curves = [row for row in rows_of_chosen_rates(rows) if "epoch" in row]
    assert [(row["fold"], row["epoch"]) for row in curves] == [(fold, epoch) for fold in (0, 1) for epoch in range(3)]
    assert all(row["lr_choice"] == chosen[row["fold"]] for row in curves)
    running = [row for row in rows if row.get("kind") != "rates"]
    assert rows_of_chosen_rates(running) == running


def test_the_plan_counts_each_training():
    one, three = (
        load_recipe(MethodConfig(search="fixed", recipe_options={"epochs": 5, **options}))[1].all_epochs
        for options in ({}, {"lr_choices": RATES})
    )
    assert (one, three) == (5, 15)


def test_a_kill_at_any_save_changes_nothing(tmp_path, monkeypatch):
    """Every save of the shard is followed by a death once; what is left continues to the same bits."""
    from fernas.core.checkpoint import CheckpointStore

    _, whole = run(tmp_path, "whole", {"lr_choices": RATES})
    saves = 0
    save = CheckpointStore.save

    class Killed(BaseException):
        pass

    def die(self, state):
        nonlocal saves
        save(self, state)
        saves += 1
        raise Killed

    monkeypatch.setattr(CheckpointStore, "save", die)
    monkeypatch.setattr("fernas.learn.history.Snapshots.due", lambda self: True)
    for _ in range(80):
        try:
            status, out = run(tmp_path, "often", {"lr_choices": RATES})
            break
        except Killed:
            continue
    assert status == "ok" and saves >= 2 * 3 * 3
    assert (out / "models.safetensors").read_bytes() == (whole / "models.safetensors").read_bytes()
    drop = ("seconds",)
    mine, theirs = (
        [{k: v for k, v in row.items() if k not in drop} for row in read_jsonl(f / "training.jsonl")]
        for f in (out, whole)
    )
    assert mine == theirs
    assert read_json(out / "cost.json")["choice_macs"] == read_json(whole / "cost.json")["choice_macs"]
