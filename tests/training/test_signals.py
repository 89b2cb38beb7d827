"""SIGTERM and SIGUSR1: the state is saved, the job ends with a non-zero status, the next start gives the same bits."""

import os
import signal
from pathlib import Path

import pytest
import torch

from fernas.core import interrupt
from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import read_jsonl
from fernas.core.run_log import RunLog, read_status
from fernas.search._supernet_search import SupernetSearch
from tests.fixtures.toy_jobs import NETWORK, search_toy, train_toy_shard
from tests.toy_task import write_task

DARTS = {
    "search": "darts_first",
    "space": "emonas",
    "network": NETWORK,
    "search_options": {"epochs": 3, "batch": 6},
}
RANDOM = {
    "search": "random",
    "space": "emonas",
    "network": NETWORK,
    "search_options": {"candidates": 2, "train": {"epochs": 2, "batch": 6}},
}
SGAS = {
    "search": "sgas",
    "space": "autofernet",
    "network": NETWORK,
    "search_options": {
        "batch": 6, "first_decision": 0, "decision_every": 1, "augment": {"padding": 0, "crop": 12},
    },
}  # fmt: skip
PLAIN = {"recipe": "plain", "recipe_options": {"epochs": 3, "batch": 6, "lr": 0.05, "drop_path": 0.2}}
RELABEL = {
    "recipe": "relabel",
    "recipe_options": {
        "epochs": 2, "batch": 6, "start_share": 0.5, "strategy": 1, "margin": 0.9,
        "augment": {"padding": 0, "crop": 12}, "relabel": {"epochs": 2, "batch": 6},
    },
}  # fmt: skip


def signalled(monkeypatch, number: int, step: int) -> None:
    """Send the signal to this process at the given heartbeat, which every step gives."""
    beat, count = RunLog.heartbeat, [0]

    def heartbeat(self):
        count[0] += 1
        if count[0] == step:
            os.kill(os.getpid(), number)
        beat(self)

    monkeypatch.setattr(RunLog, "heartbeat", heartbeat)


def rows(path: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "time")} for row in read_jsonl(path)]


def interrupted(monkeypatch, job, number: int, step: int) -> None:
    handler = signal.getsignal(number)
    signalled(monkeypatch, number, step)
    with pytest.raises(interrupt.Interrupted, match=signal.Signals(number).name) as caught:
        job()
    monkeypatch.undo()
    assert caught.value.status == 128 + number
    assert signal.getsignal(number) is handler and not interrupt.requested()


@pytest.mark.parametrize(
    ("method", "step"),
    [(DARTS, 4), (DARTS, 8), (RANDOM, 2), (RANDOM, 7), pytest.param(SGAS, 5, marks=pytest.mark.slow)],
    ids=["darts within an epoch", "darts", "random", "random second", "sgas"],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_search_that_is_told_to_end_continues_bit_for_bit(tmp_path, monkeypatch, method, step, number):
    files = write_task(tmp_path)
    assert search_toy(files, tmp_path / "whole", method) == "ok"
    interrupted(monkeypatch, lambda: search_toy(files, tmp_path / "told", method), number, step)
    assert read_status(tmp_path / "told" / "g0")["status"] == "killed"
    assert (tmp_path / "work" / "search-told-0" / "checkpoint.pt").exists()
    assert search_toy(files, tmp_path / "told", method) == "ok"
    one, two = tmp_path / "whole" / "g0", tmp_path / "told" / "g0"
    assert (one / "architecture.json").read_bytes() == (two / "architecture.json").read_bytes()
    for name in ("search.jsonl", "metrics.jsonl"):
        assert rows(one / name) == rows(two / name)
    assert read_status(two)["status"] == "ok" and not any((tmp_path / "work").glob("*/*"))


@pytest.mark.parametrize("recipe", [PLAIN, RELABEL], ids=["plain", "relabel"])
@pytest.mark.parametrize("step", [2, 6, 14])
def test_a_training_that_is_told_to_end_continues_bit_for_bit(tmp_path, monkeypatch, recipe, step):
    files = write_task(tmp_path)
    search_toy(files, tmp_path / "whole", {**DARTS, "search": "random_mean", "search_options": {}})
    search_toy(files, tmp_path / "whole", {**DARTS, "search": "random_mean", "search_options": {}}, group=1)
    architectures = [tmp_path / "whole" / f"g{g}" / "architecture.json" for g in (0, 1)]

    def job(out: str) -> str:
        return train_toy_shard(files, tmp_path / out, architectures, 0, 1, recipe)

    assert job("whole") == "ok"
    interrupted(monkeypatch, lambda: job("told"), signal.SIGTERM, step)
    state = CheckpointStore(tmp_path / "work", "train-told-0").load()
    assert state is not None
    assert job("told") == "ok"
    one, two = tmp_path / "whole" / "shard0", tmp_path / "told" / "shard0"
    assert (one / "models.safetensors").read_bytes() == (two / "models.safetensors").read_bytes()
    assert rows(one / "training.jsonl") == rows(two / "training.jsonl")


def test_a_snapshot_within_an_epoch_repeats_no_step(tmp_path, monkeypatch):
    """Told to end at its first step, a search starts again at the second."""
    files = write_task(tmp_path)
    interrupted(monkeypatch, lambda: search_toy(files, tmp_path / "told", DARTS), signal.SIGTERM, 1)
    state = CheckpointStore(tmp_path / "work", "search-told-0").load()
    assert state is not None and len(state["engine"]["state"]["within"]["weight_loss"]) == 1


def test_a_second_ctrl_c_ends_at_once():
    with pytest.raises(KeyboardInterrupt), interrupt.graceful():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested()
        os.kill(os.getpid(), signal.SIGINT)
    assert not interrupt.requested()


def test_a_search_out_of_gpu_memory_goes_on_with_smaller_passes_and_says_so(tmp_path, monkeypatch):
    """The batch stays what it was: as many steps and images as with memory enough, recorded per epoch."""
    files = write_task(tmp_path)
    assert search_toy(files, tmp_path / "whole", DARTS) == "ok"
    loss = SupernetSearch.loss

    def hungry(self, images, labels):
        if len(labels) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return loss(self, images, labels)

    monkeypatch.setattr(SupernetSearch, "loss", hungry)
    assert search_toy(files, tmp_path / "small", DARTS) == "ok"
    whole, small = (read_jsonl(tmp_path / name / "g0" / "search.jsonl") for name in ("whole", "small"))
    assert [row["images"] for row in whole] == [row["images"] for row in small]
    assert {row["micro_batch"] for row in whole} == {None} and {row["micro_batch"] for row in small} == {3}
