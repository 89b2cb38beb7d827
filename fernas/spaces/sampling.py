"""Random architectures of a cell space, for the baselines by random search."""

import numpy as np

from fernas.core.architecture import CellsArchitecture, Network
from fernas.spaces.cell_space import CellSpace, space_of


def random_cell(space: CellSpace, rng: np.random.Generator, nodes: int) -> tuple[tuple[str, int], ...]:
    """Per node two distinct inputs, uniform over pairs, each with an operation, uniform over all but `none`."""
    pairs: list[tuple[str, int]] = []
    for node in range(nodes):
        # in the order of the inputs, as discretisation writes them: equal cells read alike
        inputs = sorted(rng.choice(2 + node, size=2, replace=False).tolist())
        pairs += [(space.choices[int(rng.integers(len(space.choices)))], source) for source in inputs]
    return tuple(pairs)


def random_architecture(
    space: str | CellSpace, rng: np.random.Generator, network: Network | None = None, nodes: int | None = None
) -> CellsArchitecture:
    """A random architecture: normal and reduction cell drawn independently."""
    space = space_of(space)
    nodes = space.nodes if nodes is None else nodes
    concat = space.concat(nodes)
    return CellsArchitecture(
        space=space.name,
        normal=random_cell(space, rng, nodes),
        normal_concat=concat,
        reduce=random_cell(space, rng, nodes),
        reduce_concat=concat,
        network=network,
    )
