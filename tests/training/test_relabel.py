import math

import pytest

from fernas.core.io import read_jsonl, write_text
from fernas.learn import fit as fitting
from fernas.training.relabel import PlainPhase, RelabelConfig, start_message
from tests.fixtures.toy_jobs import NO_AUGMENTATION, train_toy, write_small_cnn
from tests.fixtures.toy_task import TaskFiles, write_task


def options(**changes):
    base = {
        "epochs": 6,
        "batch": 8,
        "augment": NO_AUGMENTATION,
        "start_share": 0.5,
        "strategy": 1,
        "margin": 1.0,
        "lr": 0.002,
    }
    return {**base, "relabel": {"epochs": 3, "batch": 8, "lr": 0.02}, **changes}


def train(root, out, recipe_options, every_s=60.0):
    files = TaskFiles(root) if (root / "inputs.npy").exists() else write_task(root)
    method = {"recipe": "relabel", "recipe_options": recipe_options}
    return train_toy(files, out, [write_small_cnn(root / "a.json")], method, scope="whole_dataset", every_s=every_s)


def test_both_phases_and_the_log_of_swaps(tmp_path):
    assert train(tmp_path, tmp_path / "out", options(start_accuracy=1.0)) == "ok"
    history = read_jsonl(tmp_path / "out" / "training.jsonl")
    for fold in (0, 1):
        phases = [row["phase"] for row in history if row["fold"] == fold]
        assert phases == ["plain"] * 3 + ["relabel"] * 3
        swaps = [row["swaps"] for row in history if row["fold"] == fold and row["phase"] == "relabel"]
        assert swaps[0] == 0
    log = read_jsonl(tmp_path / "out" / "relabel.jsonl")
    starts = [row for row in log if row["kind"] == "start"]
    assert len(starts) == 2 and all("was not reached" in row["said"] for row in starts if not row["reached"])
    epochs = [row for row in log if row["kind"] == "epoch"]
    assert len(epochs) == 6 and all(sum(row["pairs"].values()) == row["swaps"] for row in epochs)
    assert sum(row["swaps"] for row in epochs) == sum(
        sum(row["swapped_to"].values()) for row in log if row["kind"] == "sample"
    )


def test_the_first_phase_ends_when_the_accuracy_is_reached(tmp_path):
    assert train(tmp_path, tmp_path / "out", options(epochs=40, lr=0.05, start_share=1.0, start_accuracy=0.34)) == "ok"
    starts = [row for row in read_jsonl(tmp_path / "out" / "relabel.jsonl") if row["kind"] == "start"]
    assert all(row["reached"] and row["epochs"] < 40 and "asked: 34" in row["said"] for row in starts)
    plain = PlainPhase(epochs=3, accuracy=0.5, reached=False, images=0, evaluated=0)
    assert "0.5 of the epochs (3 of 6)" in start_message(RelabelConfig(epochs=6, start_share=0.5), plain)


@pytest.mark.parametrize("kill_at", [2, 5])
def test_a_killed_training_continues_to_the_same_bits(kill_at, tmp_path, monkeypatch):
    """Killed in the first phase and in the second; models and both logs are those of an uninterrupted run."""

    class Killed(BaseException):
        pass

    train(tmp_path, tmp_path / "whole", options(start_accuracy=1.0), every_s=0.0)
    real, calls = fitting._epoch, []

    def epoch(*arguments):
        calls.append(1)
        if len(calls) == kill_at:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(fitting, "_epoch", epoch)
    with pytest.raises(Killed):
        train(tmp_path, tmp_path / "again", options(start_accuracy=1.0), every_s=0.0)
    before = len(calls)
    train(tmp_path, tmp_path / "again", options(start_accuracy=1.0), every_s=0.0)
    epochs = len(read_jsonl(tmp_path / "whole" / "training.jsonl"))
    assert epochs > kill_at and len(calls) - before == epochs - (kill_at - 1)
    for name in ("models.safetensors", "relabel.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    rows = [read_jsonl(tmp_path / f / "training.jsonl") for f in ("whole", "again")]
    for one, other in zip(*rows, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_strategy_zero_swaps_nothing_and_unknown_classes_are_refused_for_strategy_two(tmp_path):
    train(tmp_path, tmp_path / "none", options(strategy=0, start_accuracy=1.0))
    log = read_jsonl(tmp_path / "none" / "relabel.jsonl")
    assert not [row for row in log if row["kind"] == "sample"]
    matrix = tmp_path / "fes.csv"
    write_text(matrix, ",low,middle,high\nlow,1,0.5,0\nmiddle,0.5,1,0\nhigh,0,0,1\n")
    train(tmp_path, tmp_path / "two", options(strategy=2, fes=str(matrix), start_accuracy=1.0))
    pairs = {p for row in read_jsonl(tmp_path / "two" / "relabel.jsonl") for p in row.get("pairs", {})}
    assert pairs <= {"low>middle", "middle>low"}


def test_published_defaults():
    config = RelabelConfig()
    two = config.phase_two()
    assert (config.epochs, config.batch, config.augment.crop, config.augment.scale) == (600, 24, 44, "unit")
    assert (two.epochs, two.batch, two.lr) == (100, 64, 0.001) and config.phase_one().select == "last"
    assert math.isclose(two.drop_path_start, 0.2 * 115 / 600) and two.augment == config.augment
