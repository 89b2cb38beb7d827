"""Published architectures and small ones."""

from fernas.core.architecture import CellsArchitecture, NamedArchitecture, parse_architecture

CONCAT = [2, 3, 4, 5]
DARTS_V2 = {
    "kind": "cells",
    "space": "darts",
    "normal": [
        ["sep_conv_3x3", 0], ["sep_conv_3x3", 1], ["sep_conv_3x3", 0], ["sep_conv_3x3", 1],
        ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2],
    ],
    "normal_concat": CONCAT,
    "reduce": [
        ["max_pool_3x3", 0], ["max_pool_3x3", 1], ["skip_connect", 2], ["max_pool_3x3", 1],
        ["max_pool_3x3", 0], ["skip_connect", 2], ["skip_connect", 2], ["max_pool_3x3", 1],
    ],
    "reduce_concat": CONCAT,
}  # fmt: skip
AUTOFERNET = {
    "kind": "cells",
    "space": "autofernet",
    "normal": [
        ["sep_conv_3x3", 0], ["conv_3x3", 1], ["dil_conv_5x5", 0], ["conv_1x1", 2],
        ["ghost", 2], ["dil_conv_5x5", 3], ["skip_connect", 0], ["conv_1x1", 1],
    ],
    "normal_concat": CONCAT,
    "reduce": [
        ["max_pool_3x3", 0], ["max_pool_3x3", 1], ["max_pool_3x3", 0], ["dil_conv_5x5", 2],
        ["avg_pool_3x3", 1], ["skip_connect", 2], ["avg_pool_3x3", 0], ["sep_conv_3x3", 2],
    ],
    "reduce_concat": CONCAT,
}  # fmt: skip
EMONAS = {
    "kind": "cells",
    "space": "emonas",
    "normal": [
        ["sep_conv_3x3", 0], ["sep_conv_5x5", 1], ["dil_conv_3x3", 0], ["skip_connect", 1],
        ["dil_conv_5x5", 1], ["avg_pool_3x3", 2], ["max_pool_3x3", 0], ["sep_conv_3x3", 3],
    ],
    "normal_concat": CONCAT,
    "reduce": [
        ["skip_connect", 0], ["sep_conv_5x5", 1], ["max_pool_3x3", 0], ["dil_conv_3x3", 1],
        ["avg_pool_3x3", 1], ["dil_conv_5x5", 0], ["skip_connect", 2], ["sep_conv_3x3", 1],
    ],
    "reduce_concat": CONCAT,
}  # fmt: skip


def cells(document: dict, **network) -> CellsArchitecture:
    """A cell architecture with a network block."""
    arch = parse_architecture({**document, "network": network} if network else document)
    assert isinstance(arch, CellsArchitecture)
    return arch


def named(name: str) -> NamedArchitecture:
    """A fixed network."""
    return NamedArchitecture(name=name)
