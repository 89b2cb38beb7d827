"""What a cell space is: its operations in the order of the columns of alpha, and its graph (no torch here)."""

from dataclasses import dataclass

from fernas.core import plugins
from fernas.core.architecture import CellsArchitecture
from fernas.core.errors import ConfigError, did_you_mean

POOLS = ("max_pool_3x3", "avg_pool_3x3")
SEVEN = (*POOLS, "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")

STEMS = {"plain": 1, "stride2": 2}  # name -> stride of the first convolution


def reductions(cells: int) -> tuple[int, int]:
    """The places of the two reduction cells: L // 3 and 2 L // 3."""
    return cells // 3, 2 * cells // 3


def edge_list(nodes: int) -> list[tuple[int, int]]:
    """All edges as (node, input) in the order of alpha's rows; inputs: 0, 1 = the two cells before, 2 + i = node i."""
    return [(node, source) for node in range(nodes) for source in range(2 + node)]


@dataclass(frozen=True)
class CellSpace:
    """A cell space. `operations` are the columns of alpha; `nodes` inner nodes, all of them concatenated."""

    name: str
    title: str
    operations: tuple[str, ...]
    nodes: int = 4
    in_channels: int = 3

    @property
    def choices(self) -> tuple[str, ...]:
        """The operations that an architecture may hold: all but `none`."""
        return tuple(name for name in self.operations if name != "none")

    @property
    def edges(self) -> int:
        """Number of edges of a cell with the space's own number of nodes (14 for four)."""
        return len(edge_list(self.nodes))

    def concat(self, nodes: int | None = None) -> tuple[int, ...]:
        """States that make a cell's output: every inner node."""
        return tuple(range(2, 2 + (self.nodes if nodes is None else nodes)))

    def require(self, operation: str, where: str) -> None:
        """Raises ConfigError when an architecture names an operation that the space does not offer."""
        if operation not in self.choices:
            raise ConfigError(
                f"{where}: the space {self.name!r} has no operation {operation!r}"
                f"{did_you_mean(operation, self.choices)}; expected one of {', '.join(self.choices)}"
            )


def require_operations(architecture: CellsArchitecture, where: str = "architecture") -> None:
    """Raises ConfigError when the cells hold an operation that their space does not offer."""
    space = space_of(architecture.space)
    for kind, cell in (("normal", architecture.normal), ("reduce", architecture.reduce)):
        for position, (operation, _) in enumerate(cell):
            space.require(operation, f"{where}.{kind}[{position}]")


def space_of(space: "str | CellSpace") -> CellSpace:
    """A space by its name (the plug-in `fernas/spaces/<name>.py`), or itself."""
    return plugins.load("spaces", space) if isinstance(space, str) else space
