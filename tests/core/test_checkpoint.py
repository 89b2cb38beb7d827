"""Checkpoints survive; broken ones are treated as absent."""

import errno
import os
import random

import pytest
import torch

from fernas.core.checkpoint import CheckpointStore


def test_checkpoints_survive_and_broken_ones_are_ignored(tmp_path):
    store = CheckpointStore(tmp_path, "key")
    assert store.load() is None
    store.save({"epoch": 3, "weights": torch.arange(3.0)})
    assert store.load()["epoch"] == 3 and CheckpointStore(tmp_path, "other").load() is None
    data = store.path.read_bytes()
    store.path.write_bytes(data[: len(data) // 2])
    assert store.load() is None
    store.clear()
    assert not store.folder.exists()


def test_every_cut_or_changed_checkpoint_is_treated_as_absent(tmp_path, caplog):
    """300 checkpoints cut or with one byte changed anywhere: never an error, never a wrong number."""
    store = CheckpointStore(tmp_path, "key")
    state = {"net": {"w": torch.arange(600.0)}, "epoch": 3, "rows": [{"loss": 0.5}]}
    store.save(state)
    whole = store.path.read_bytes()
    chance = random.Random(1)
    for number in range(300):
        data = bytearray(whole)
        if number % 3 == 0:
            data = data[: chance.randrange(len(data))]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        store.path.write_bytes(data)
        assert store.load() is None
    assert "starting from the beginning" in caplog.text
    store.path.write_bytes(whole)
    loaded = store.load()
    assert loaded is not None and torch.equal(loaded["net"]["w"], state["net"]["w"]) and loaded["epoch"] == 3


def test_a_save_that_fails_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path, "key")
    store.save({"epoch": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store.save({"epoch": 2})
    monkeypatch.undo()
    assert store.load() == {"epoch": 1}
    assert [path.name for path in store.folder.iterdir()] == ["checkpoint.pt"]
