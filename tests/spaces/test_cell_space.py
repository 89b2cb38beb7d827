"""The cell spaces: their operations and edges."""

from fernas.core.plugins import available, load
from fernas.spaces.networks import BUILDERS


def test_cell_spaces_are_plugins_found_without_importing_torch():
    assert set(available("spaces")) >= {"autofernet", "darts", "emonas", "patches"}
    assert set(BUILDERS) == {"cells", "named", "patches"}


def test_the_spaces_hold_the_published_operations():
    assert len(load("spaces", "emonas").operations) == 7
    assert load("spaces", "darts").operations[0] == "none"
    assert load("spaces", "autofernet").operations == (
        "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
        "dil_conv_5x5", "ghost", "conv_1x1", "conv_3x3",
    )  # fmt: skip
    assert load("spaces", "emonas").edges == 14
