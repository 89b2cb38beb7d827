"""SIGTERM and SIGUSR1 in a search: its state is saved, the next start gives the same bits; and too little memory."""

import signal

import pytest
import torch

from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import read_jsonl
from fernas.core.run_log import read_status
from fernas.search._supernet_search import SupernetSearch
from tests.fixtures.signals import assert_interrupted, rows_without_times
from tests.fixtures.toy_jobs import NETWORK, search_toy
from tests.fixtures.toy_task import write_task

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


@pytest.mark.parametrize(
    ("method", "step"),
    [(DARTS, 4), (DARTS, 8), (RANDOM, 2), (RANDOM, 7), pytest.param(SGAS, 5, marks=pytest.mark.slow)],
    ids=["darts within an epoch", "darts", "random", "random second", "sgas"],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_search_that_is_asked_to_end_continues_bit_for_bit(tmp_path, monkeypatch, method, step, number):
    files = write_task(tmp_path)
    assert search_toy(files, tmp_path / "whole", method) == "ok"
    assert_interrupted(monkeypatch, lambda: search_toy(files, tmp_path / "ended", method), number, step)
    assert read_status(tmp_path / "ended" / "g0")["status"] == "killed"
    assert (tmp_path / "work" / "search-ended-0" / "checkpoint.pt").exists()
    assert search_toy(files, tmp_path / "ended", method) == "ok"
    one, two = tmp_path / "whole" / "g0", tmp_path / "ended" / "g0"
    assert (one / "architecture.json").read_bytes() == (two / "architecture.json").read_bytes()
    for name in ("search.jsonl", "metrics.jsonl"):
        assert rows_without_times(one / name) == rows_without_times(two / name)
    assert read_status(two)["status"] == "ok" and not any((tmp_path / "work").glob("*/*"))


def test_a_snapshot_within_an_epoch_repeats_no_step(tmp_path, monkeypatch):
    """Told to end at its first step, a search starts again at the second."""
    files = write_task(tmp_path)
    assert_interrupted(monkeypatch, lambda: search_toy(files, tmp_path / "ended", DARTS), signal.SIGTERM, 1)
    state = CheckpointStore(tmp_path / "work", "search-ended-0").load()
    assert state is not None and len(state["engine"]["state"]["within"]["weight_loss"]) == 1


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
