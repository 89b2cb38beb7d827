"""SIGTERM in a training: its state is saved, and the next start gives the same bits."""

import signal

import pytest

from fernas.core.checkpoint import CheckpointStore
from tests.fixtures.signals import assert_interrupted, rows_without_times
from tests.fixtures.toy_jobs import NETWORK, search_toy, train_toy_shard
from tests.fixtures.toy_task import write_task

MEAN = {"search": "random_mean", "space": "emonas", "network": NETWORK}
PLAIN = {"recipe": "plain", "recipe_options": {"epochs": 3, "batch": 6, "lr": 0.05, "drop_path": 0.2}}
RELABEL = {
    "recipe": "relabel",
    "recipe_options": {
        "epochs": 2, "batch": 6, "start_share": 0.5, "strategy": 1, "margin": 0.9,
        "augment": {"padding": 0, "crop": 12}, "relabel": {"epochs": 2, "batch": 6},
    },
}  # fmt: skip


@pytest.mark.parametrize("recipe", [PLAIN, RELABEL], ids=["plain", "relabel"])
@pytest.mark.parametrize("step", [2, 6, 14])
def test_a_training_that_is_asked_to_end_continues_bit_for_bit(tmp_path, monkeypatch, recipe, step):
    files = write_task(tmp_path)
    search_toy(files, tmp_path / "whole", MEAN)
    search_toy(files, tmp_path / "whole", MEAN, group=1)
    architectures = [tmp_path / "whole" / f"g{g}" / "architecture.json" for g in (0, 1)]

    def job(out: str) -> str:
        return train_toy_shard(files, tmp_path / out, architectures, 0, 1, recipe)

    assert job("whole") == "ok"
    assert_interrupted(monkeypatch, lambda: job("ended"), signal.SIGTERM, step)
    state = CheckpointStore(tmp_path / "work", "train-ended-0").load()
    assert state is not None
    assert job("ended") == "ok"
    one, two = tmp_path / "whole" / "shard0", tmp_path / "ended" / "shard0"
    assert (one / "models.safetensors").read_bytes() == (two / "models.safetensors").read_bytes()
    assert rows_without_times(one / "training.jsonl") == rows_without_times(two / "training.jsonl")
