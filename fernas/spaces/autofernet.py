"""Auto-FERNet's cell space: eleven operations, with ghost and plain convolutions, one grey channel."""

from fernas.spaces.cell_space import SEVEN, CellSpace

PLUGIN = CellSpace(
    "autofernet", "Auto-FERNet (eleven operations)", ("none", *SEVEN, "ghost", "conv_1x1", "conv_3x3"), in_channels=1
)
