import math

import numpy as np
import pytest
import torch

from fernas.core.io import read_jsonl, write_text
from fernas.learn import fit as fitting
from fernas.training.fes import CLASSES
from fernas.training.relabel import PlainPhase, RelabelConfig, start_message
from fernas.training.swaps import Rule, Swaps, make_rule
from tests.fixtures.toy_jobs import NO_AUGMENTATION, train_toy, write_small_cnn
from tests.toy_task import CLASSES as TOY
from tests.toy_task import TaskFiles, part, write_task

ALL = torch.ones(3, 3, dtype=torch.bool)


def logits_of(rows):
    return torch.log(torch.tensor(rows, dtype=torch.float64))


ROWS = [[0.45, 0.35, 0.20], [0.70, 0.20, 0.10], [0.40, 0.40, 0.20], [0.50, 0.31, 0.19]]


def test_strategy_one_swaps_near_ties_only():
    """Gaps 0.10, 0.50, 0 (a true tie, predicted as the first), 0.19; labels are 1, so that the prediction 0 differs."""
    q, labels = torch.tensor(ROWS), torch.ones(4, dtype=torch.int64)
    new, predictions, ties = Rule(1, 0.2, ALL)(q, labels)
    assert (
        predictions.tolist() == [0, 0, 0, 0]
        and new.tolist() == [0, 1, 0, 0]
        and ties.tolist() == [True, False, True, True]
    )
    assert Rule(1, 0.2, ALL)(q, torch.zeros(4, dtype=torch.int64))[0].tolist() == [0, 0, 0, 0]
    assert Rule(1, 0.05, ALL)(q, labels)[0].tolist() == [1, 1, 0, 1]


def test_strategy_two_asks_for_similar_expressions_and_a_lead():
    q, labels = torch.tensor(ROWS), torch.ones(4, dtype=torch.int64)
    assert Rule(2, 0.2, ALL)(q, labels)[0].tolist() == [0, 1, 1, 0]
    apart = ALL.clone()
    apart[1, 0] = False
    assert Rule(2, 0.2, apart)(q, labels)[0].tolist() == [1, 1, 1, 1]


def test_strategy_two_admits_what_fes_admits():
    rule = make_rule(RelabelConfig(), list(CLASSES))
    index = {name: k for k, name in enumerate(CLASSES)}
    assert rule.admitted[index["sadness"], index["neutral"]] and rule.admitted[index["neutral"], index["sadness"]]
    assert not rule.admitted[index["disgust"], index["fear"]] and int(rule.admitted.sum()) == 2 * 11 + 7
    assert make_rule(RelabelConfig(strategy=1), ["a", "b"]).admitted.all()
    assert not make_rule(RelabelConfig(strategy=0), ["a", "b"]).admitted.any()
    wider = make_rule(RelabelConfig(fes_threshold=0.02), list(CLASSES))
    assert int(wider.admitted.sum()) == 2 * 17 + 7


def test_the_account_of_swaps_and_what_became_of_them():
    samples = part(4)  # labels 0, 1, 2, 0
    swaps = Swaps(samples, TOY, Rule(1, 0.2, ALL))
    at = np.arange(4)
    labels = torch.from_numpy(samples.labels)
    near = [[0.4, 0.35, 0.25]] * 4
    assert swaps.relabel(logits_of(near), labels, 0, at).tolist() == [0, 1, 2, 0]
    assert swaps.close(0)["swaps"] == 0
    assert swaps.relabel(logits_of(near), labels, 1, at).tolist() == [0, 0, 0, 0]
    first = swaps.close(1)
    assert first["pairs"] == {"high>low": 1, "middle>low": 1} and first["near_ties"] == 2
    sure = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.4, 0.35, 0.25], [0.9, 0.05, 0.05]]
    for half in (slice(2, 4), slice(0, 2)):
        swaps.relabel(logits_of(sure)[half], labels[half], 2, at[half])
    later = Swaps(samples, TOY, Rule(1, 0.2, ALL))
    later.load(swaps.state())
    row = swaps.close(2)
    assert (row["swapped_before"], row["now_swapped_again"], row["now_answered_as_swapped"]) == (2, 1, 1)
    assert row["now_answered_as_stored"] == 1
    sample = [r for r in swaps.report(3) if r["kind"] == "sample"]
    assert [s["sample_id"] for s in sample] == ["sample/1", "sample/2"]
    assert [s["answered"] for s in sample] == ["as stored", "as swapped"]
    assert (
        sample[0]["swapped_to"] == {"low": 1}
        and sample[1]["swapped_to"] == {"low": 2}
        and (sample[0]["first"], sample[0]["last"]) == (1, 1)
    )
    assert later.rows == swaps.rows[:2]


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
