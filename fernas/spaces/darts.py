"""The cell space of DARTS: eight operations, `none` among them in the search only."""

from fernas.spaces.cell_space import SEVEN, CellSpace

PLUGIN = CellSpace("darts", "DARTS (eight operations)", ("none", *SEVEN))
