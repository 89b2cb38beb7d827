import pytest

from fernas.core.architecture import (
    architecture_hash,
    architecture_json,
    parse_architecture,
    read_architecture,
    write_architecture,
)
from fernas.core.errors import ConfigError

CELLS = {
    "kind": "cells",
    "space": "emonas",
    "normal": [["skip_connect", 0], ["sep_conv_3x3", 1]] * 4,
    "normal_concat": [2, 3, 4, 5],
    "reduce": [["max_pool_3x3", 0], ["sep_conv_5x5", 1]] * 4,
    "reduce_concat": [2, 3, 4, 5],
}


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
