"""EmoNAS' cell space: seven operations, those of DARTS without `none`."""

from fernas.spaces.cell_space import SEVEN, CellSpace

PLUGIN = CellSpace("emonas", "EmoNAS (seven operations)", SEVEN)
