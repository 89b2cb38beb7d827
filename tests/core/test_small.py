import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.core import digest, plugins, seeds
from fernas.core.architecture import (
    architecture_hash,
    architecture_json,
    parse_architecture,
    read_architecture,
    write_architecture,
)
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.errors import ConfigError, DataError, did_you_mean
from fernas.core.images import decode_image, encode_image, list_images, natural_key, read_image
from fernas.core.run_log import RunLog, read_status

CELLS = {
    "kind": "cells",
    "space": "emonas",
    "normal": [["skip_connect", 0], ["sep_conv_3x3", 1]] * 4,
    "normal_concat": [2, 3, 4, 5],
    "reduce": [["max_pool_3x3", 0], ["sep_conv_5x5", 1]] * 4,
    "reduce_concat": [2, 3, 4, 5],
}


def test_seeds_derive_from_names():
    assert seeds.derive_seed(1, "a", 2) == seeds.derive_seed(1, "a", "2") != seeds.derive_seed(1, "a", 3)
    assert seeds.rng(1, "x").integers(1 << 30) == seeds.rng(1, "x").integers(1 << 30)


def test_did_you_mean():
    assert did_you_mean("emonass", ["emonas", "darts"]) == " (did you mean 'emonas'?)"
    assert did_you_mean("zzz", ["emonas"]) == ""


def test_unknown_plugin_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'emonas'"):
        plugins.load("spaces", "emonass")
    with pytest.raises(ConfigError, match="unknown name 'colours'"):
        plugins.available("colours")


def test_budget_counts_a_backward_pass_twice():
    meter = BudgetMeter(100.0)
    meter.spend(10.0, 2)
    assert meter.spent == 60.0 and not meter.exhausted
    meter.spend(10.0, 4, backward=False)
    assert meter.exhausted and meter.remaining == 0
    other = BudgetMeter(200.0)
    other.load(meter.state())
    assert other.remaining == 100.0


def test_architecture_round_trip(tmp_path):
    model = parse_architecture({**CELLS, "network": {"cells": 4, "channels": 8}})
    write_architecture(tmp_path / "a.json", model)
    assert read_architecture(tmp_path / "a.json") == model
    assert architecture_hash(model) != architecture_hash(parse_architecture(CELLS))
    assert "network" not in architecture_json(parse_architecture(CELLS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal": [["skip_connect", 0]]}, "two .operation, input. pairs per node"),
        ({"normal": [["skip_connect", 2], ["skip_connect", 1]]}, r"input must be in 0\.\.1"),
        ({"kind": "cell"}, "cell"),
        ({"extra": 1}, "Extra inputs"),
        ({"normal_concat": [9]}, r"expected states in 0\.\.5"),
    ],
)
def test_bad_architectures_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        parse_architecture({**CELLS, **change})


def test_checkpoints_survive_and_broken_ones_are_ignored(tmp_path):
    import torch

    store = CheckpointStore(tmp_path, "key")
    assert store.load() is None
    store.save({"epoch": 3, "weights": torch.arange(3.0)})
    assert store.load()["epoch"] == 3
    data = store.path.read_bytes()
    store.path.write_bytes(data[: len(data) // 2])
    assert store.load() is None
    assert CheckpointStore(tmp_path, "other").load() is None
    store.clear()
    assert not store.folder.exists()


def test_run_log(tmp_path):
    log = RunLog(tmp_path / "job")
    log.start({"stage": "search"})
    assert read_status(tmp_path / "job")["status"] == "running"
    for step in range(3):
        log.metric(step, loss=1.0)
    log.rewind(1)
    log.metric(1, loss=2.0)
    from fernas.core.io import read_jsonl

    assert [row["step"] for row in read_jsonl(tmp_path / "job" / "metrics.jsonl")] == [0, 1]
    log.finish("failed", "NaN")
    assert read_status(tmp_path / "job")["reason"] == "NaN"
    with pytest.raises(ValueError, match="status must be"):
        log.finish("done")


@given(st.lists(st.integers(0, 10**9), min_size=1, unique=True))
def test_natural_order_is_numeric(numbers):
    names = [f"img{n}.jpg" for n in numbers]
    assert sorted(names, key=natural_key) == [f"img{n}.jpg" for n in sorted(numbers)]


def test_images(tmp_path):
    import numpy as np

    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for name in ("img10.png", "img9.png", "Thumbs.db", "._img1.png", "notes.txt"):
        (tmp_path / name).write_bytes(encode_image(image))
    assert [p.name for p in list_images(tmp_path)] == ["img9.png", "img10.png"]
    assert (read_image(tmp_path / "img9.png") == image).all()
    jpeg = encode_image(image, ".jpg")
    for data, message in ((b"", "empty"), (jpeg[: len(jpeg) // 2], "truncated"), (b"not an image", "not a readable")):
        with pytest.raises(DataError, match=message):
            decode_image(data, "x")
    with pytest.raises(DataError, match="at most 100"):
        decode_image(jpeg, "x", max_pixels=100)


def test_sixteen_bit_and_grey_images_become_eight_bit_rgb():
    import cv2
    import numpy as np

    deep = np.full((4, 4), 65535, np.uint16)
    assert decode_image(cv2.imencode(".png", deep)[1].tobytes()).tolist() == np.full((4, 4, 3), 255).tolist()


def package(tmp_path, monkeypatch, files):
    root = tmp_path / "fernas"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(digest, "PACKAGE", root)
    for function in (digest._own_digest, digest._imports, digest.code_digest):
        function.cache_clear()
    return digest.code_digest("fernas.search.a")


FILES = {
    "search/a.py": "from fernas.core.b import f\nx = f(1)\n",
    "core/b.py": "def f(n: int) -> int:\n    return n\n",
    "core/errors.py": "class E(Exception): pass\n",
    "search/other.py": "y = 1\n",
}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"core/b.py": 'def f(n):\n    """Say."""\n    # why\n    return n\n'}, True),
        ({"core/b.py": "def f(n: int) -> int:\n    return n + 1\n"}, False),
        ({"search/other.py": "y = 2\n"}, True),
        ({"search/new.py": "z = 2\n"}, True),
        ({"search/a.py": "from fernas.core.b import f\nx = f(2)\n"}, False),
    ],
)
def test_code_digest_sees_code_and_only_what_is_used(tmp_path, monkeypatch, change, same):
    before = package(tmp_path / "1", monkeypatch, FILES)
    after = package(tmp_path / "2", monkeypatch, {**FILES, **change})
    assert (before == after) is same
    for function in (digest._own_digest, digest._imports, digest.code_digest):
        function.cache_clear()


def test_run_key_depends_on_each_part():
    base = ("search", {"g": "0"}, {"epochs": 1}, {"inputs": "a"}, "c")
    keys = {digest.run_key(*base)}
    for position, other in enumerate(("train", {"g": "1"}, {"epochs": 2}, {"inputs": "b"}, "d")):
        keys.add(digest.run_key(*[other if i == position else value for i, value in enumerate(base)]))
    assert len(keys) == 6 and all(len(key) == 16 for key in keys)
