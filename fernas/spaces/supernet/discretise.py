"""From alphas to an architecture: the rule of DARTS, a limit on skips, and edges that a greedy search has decided."""

import torch
from torch import Tensor

from fernas.core.architecture import CellsArchitecture, Network
from fernas.core.errors import ContractError
from fernas.spaces.cell_space import CellSpace, edge_list, space_of

SKIP = "skip_connect"
INPUTS_PER_NODE = 2  # edges of a final cell that enter a node


def nodes_of(edges: int) -> int:
    """The number of inner nodes that gives so many edges: edges = nodes * (nodes + 3) / 2."""
    nodes = 0
    while len(edge_list(nodes)) < edges:
        nodes += 1
    if len(edge_list(nodes)) != edges:
        raise ContractError(f"alphas: {edges} edges belong to no number of nodes, expected 2, 5, 9, 14, 20, ...")
    return nodes


def strongest(space: CellSpace, alpha: Tensor) -> tuple[tuple[str, int], ...]:
    """Per node the two incoming edges with the largest softmax over o != none, each with that operation.

    alpha: raw (edges, operations). Of equals the lower input and the earlier operation win; pairs come in the order
    of their inputs.
    """
    if alpha.ndim != 2 or alpha.shape[1] != len(space.operations):
        raise ContractError(f"alphas: shape {tuple(alpha.shape)}, expected (edges, {len(space.operations)})")
    return strongest_of(space, torch.softmax(alpha.detach().double().cpu(), -1))


def strongest_of(space: CellSpace, table: Tensor) -> tuple[tuple[str, int], ...]:
    """As `strongest`, of the operations' weights themselves (edges, operations), which need not sum to one."""
    weights = table.tolist()
    best = [_best(space, row) for row in weights]
    nodes = nodes_of(len(weights))
    pairs: list[tuple[str, int]] = []
    for node in range(nodes):
        entering = [(edge, source) for edge, (target, source) in enumerate(edge_list(nodes)) if target == node]
        # of equals the lower input wins, so that the result does not depend on the order of a sort
        chosen = sorted(entering, key=lambda pair: (-best[pair[0]][0], pair[1]))[:INPUTS_PER_NODE]
        pairs += [(best[edge][1], source) for edge, source in sorted(chosen, key=lambda pair: pair[1])]
    return tuple(pairs)


def _best(space: CellSpace, row: list[float]) -> tuple[float, str]:
    """The largest weight of an edge over o != none, and its operation (the first of equals)."""
    weight, name = max(
        ((w, name) for w, name in zip(row, space.operations, strict=True) if name != "none"), key=lambda pair: pair[0]
    )
    return weight, name


def discretise(
    space: str | CellSpace, normal: Tensor, reduce: Tensor, network: Network | None = None
) -> CellsArchitecture:
    """DARTS' rule on raw alphas (edges, operations) of normal and reduction cells."""
    space = space_of(space)
    return _architecture(space, strongest(space, normal), strongest(space, reduce), network)


def discretise_weights(
    space: str | CellSpace, normal: Tensor, reduce: Tensor, network: Network | None = None
) -> CellsArchitecture:
    """DARTS' rule on the operations' weights (edges, operations) of normal and reduction cells."""
    space = space_of(space)
    return _architecture(space, strongest_of(space, normal), strongest_of(space, reduce), network)


def limit_skips(space: str | CellSpace, normal: Tensor, reduce: Tensor, limit: int | None) -> CellsArchitecture:
    """DARTS' rule; while the normal cell has more than `limit` skips, it is made again without some (P-DARTS).

    The `limit` strongest skips of the cell stay, the weights of its other skips become 0 (the edge's other weights are
    not normalised anew), and the rule runs again; other skips may enter then, so it repeats.

    Args:
        space: the cell space, or its name.
        normal: raw alphas (edges, operations) of normal cells.
        reduce: of reduction cells, where skips are not limited.
        limit: largest number of skips, None for any.
    """
    space = space_of(space)
    table = torch.softmax(normal.detach().double().cpu(), -1)
    other = torch.softmax(reduce.detach().double().cpu(), -1)
    edges = edge_list(nodes_of(len(table)))
    while True:
        # removing skips can let others in, which were weaker before: so again until the limit holds
        architecture = discretise_weights(space, table, other)
        skipping = [
            edges.index((i // 2, source)) for i, (name, source) in enumerate(architecture.normal) if name == SKIP
        ]
        if limit is None or len(skipping) <= limit:
            return architecture
        column = space.operations.index(SKIP)
        skipping.sort(key=lambda edge: (-float(table[edge, column]), edge))
        # below 0, the weight of operations that were left out: such a skip cannot return, and the loop ends
        table[skipping[limit:], column] = -1.0


def architecture_of(
    space: str | CellSpace,
    normal: dict[int, str | None],
    reduce: dict[int, str | None],
    network: Network | None = None,
    nodes: int | None = None,
) -> CellsArchitecture:
    """The architecture of decided edges {edge: operation or None}: exactly two operations must enter every node."""
    space = space_of(space)
    nodes = space.nodes if nodes is None else nodes
    cells = []
    for kind, decided in (("normal", normal), ("reduce", reduce)):
        pairs: list[tuple[str, int]] = []
        for node in range(nodes):
            entering = [
                (name, source)
                for edge, (target, source) in enumerate(edge_list(nodes))
                if target == node and (name := decided.get(edge)) is not None
            ]
            if len(entering) != INPUTS_PER_NODE:
                raise ContractError(
                    f"{kind} cell: node {node} has {len(entering)} decided edges, expected {INPUTS_PER_NODE}"
                )
            pairs += entering
        cells.append(tuple(pairs))
    return _architecture(space, cells[0], cells[1], network)


def _architecture(
    space: CellSpace, normal: tuple[tuple[str, int], ...], reduce: tuple[tuple[str, int], ...], network: Network | None
) -> CellsArchitecture:
    concat = space.concat(len(normal) // 2)
    return CellsArchitecture(
        space=space.name, normal=normal, normal_concat=concat, reduce=reduce, reduce_concat=concat, network=network
    )
