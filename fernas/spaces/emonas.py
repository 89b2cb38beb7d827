"""EmoNAS' cell space: seven operations, those of DARTS without `none` (research: methods, 1.3)."""

from fernas.spaces.cell_space import SEVEN, CellSpace

PLUGIN = CellSpace("emonas", "EmoNAS (seven operations)", SEVEN)
