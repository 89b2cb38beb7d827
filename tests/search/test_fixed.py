"""Networks that have a name."""

import pytest


def test_fixed_names_a_known_network():
    from fernas.search.fixed import PLUGIN as FIXED

    with pytest.raises(ValueError, match="did you mean"):
        FIXED.Config(name="vgg15")
    from fernas.search.fixed import NAMES
    from fernas.spaces import named

    assert set(NAMES) == set(named.NAMES)
