"""The plain supernet: its decisions are checked, its edges cost what they compute."""

import pytest

from fernas.core.errors import ConfigError
from fernas.spaces.supernet import make_supernet


def test_decisions_are_checked():
    net = make_supernet("darts", 3, 8)
    with pytest.raises(ConfigError, match="kind must be one of"):
        net.set_decisions("normals", {})
    with pytest.raises(ConfigError, match="edge must be in 0..13"):
        net.set_decisions("normal", {14: None})
    with pytest.raises(ConfigError, match="has no operation 'none'"):
        net.set_decisions("normal", {0: "none"})
    with pytest.raises(ConfigError, match="form must be one of"):
        make_supernet("darts", form="quick")
