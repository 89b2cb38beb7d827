"""What an architecture costs: parameters, multiply-adds, bytes, latency.

MACs are counted by forward hooks on convolutions and linear layers at the given resolution, on torch's meta device, so
nothing is allocated: a convolution costs output elements x kernel elements x input channels per group. BatchNorm,
pools, activations and sums count nothing, as in the papers' tables. One image, evaluation mode, without auxiliary head.
"""

import functools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fernas.core.architecture import Architecture, CellsArchitecture
from fernas.core.errors import ConfigError
from fernas.spaces.cell_space import STEMS, CellSpace, edge_list, space_of
from fernas.spaces.kernels.plan import has_kernels
from fernas.spaces.networks import build_network, network_shape

FLOAT_BYTES = 4
SMALL_NETWORKS = ("small_cnn", "whole_face", "linear_svm")
SMALL_PX = 64 * 64  # images up to this area are counted on the CPU


def count_parameters(net: nn.Module) -> tuple[int, int]:
    """(parameters without the auxiliary head, parameters of the auxiliary head)."""
    aux = sum(p.numel() for name, p in net.named_parameters() if name.startswith("aux."))
    return sum(p.numel() for p in net.parameters()) - aux, aux


@contextmanager
def _counted(net: nn.Module, outputs: list[int] | None = None) -> Iterator[list[int]]:
    """Collects the MACs of every convolution and linear layer that runs inside the block, and its output elements."""
    counts: list[int] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counts.append(output.numel() * module.weight[0].numel())
        elif isinstance(module, nn.Linear):
            counts.append(output.numel() * module.in_features)
        if outputs is not None:
            outputs.append(output.numel())

    handles = [m.register_forward_hook(hook) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def count_macs(net: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of one forward pass of one image (C, H, W); `net` may live on the meta device."""
    device = next(net.parameters()).device
    was_training = net.training
    net.eval()
    # with gradients on, since evaluation then runs on the plain cells: no hook sees a convolution of compiled ones
    with _counted(net) as counts, torch.enable_grad():
        net(torch.zeros(1, *input_shape, device=device))
    net.train(was_training)
    return sum(counts)


def _on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def _throwaway(build: Callable[[], nn.Module], input_shape: tuple[int, int, int] | None, arch: Any = None) -> nn.Module:
    """A network that is only counted, without touching the global generator.

    Small ones on the CPU: the first use of the meta device imports a compiler, which costs more than a second per job.
    """
    small = arch is None or arch.kind in ("cells", "patches") or getattr(arch, "name", "") in SMALL_NETWORKS
    if not small or input_shape is None or input_shape[1] * input_shape[2] > SMALL_PX:
        return _on_meta(build)
    with torch.random.fork_rng(devices=[]):
        return build()


def params(arch: Architecture, **overrides: Any) -> int:
    """Parameters of the network without auxiliary head; overrides as in `build_network`."""
    shape = network_shape(arch, input=overrides.get("input_shape"))
    return count_parameters(_throwaway(lambda: build_network(arch, **overrides), shape.input, arch))[0]


def macs(arch: Architecture, **overrides: Any) -> int:
    """Multiply-adds per image of a forward pass; overrides as in `build_network`."""
    shape = network_shape(arch, input=overrides.get("input_shape"))
    size = shape.need("input")
    return count_macs(_throwaway(lambda: build_network(arch, **overrides), size, arch), size)


@dataclass(frozen=True)
class Work:
    """What the time of a network's training depends on.

    Attributes:
        macs: multiply-adds per image of a forward pass.
        outputs: elements that all convolutions and linear layers put out for one image.
        layers: modules without children, the auxiliary head's among them.
        params: parameters, likewise.
        plain_cells: whether it is of cells whose width the compiled loops cannot run.
    """

    macs: int
    outputs: int
    layers: int
    params: int
    plain_cells: bool


def work(arch: Architecture) -> Work:
    """The work of an architecture with a full `network` block."""
    size = network_shape(arch).need("input")
    net = _throwaway(lambda: build_network(arch), size, arch)
    outputs: list[int] = []
    with _counted(net, outputs) as macs_of_layers, torch.enable_grad():
        net.eval()(torch.zeros(1, *size, device=next(net.parameters()).device))
    layers = sum(not list(module.children()) for module in net.modules())
    params, plain = sum(p.numel() for p in net.parameters()), False
    if isinstance(arch, CellsArchitecture):
        plain = not has_kernels(
            network_shape(arch).need("channels"), {name for name, _ in (*arch.normal, *arch.reduce)}
        )
    return Work(sum(macs_of_layers), sum(outputs), layers, params, plain)


def saved_bytes(net: nn.Module) -> int:
    """Size of the network's safetensors file: 8 bytes of length, a json header, then all parameters and buffers."""
    header, offset = {}, 0
    names = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    tensors = sorted(net.state_dict().items(), key=lambda item: (-item[1].element_size(), item[0]))
    for name, tensor in tensors:
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    length = len(json.dumps(header, separators=(",", ":")))
    # the header is padded to a multiple of 8 bytes
    return 8 + length + -length % 8 + offset


def complexity(
    arch: Architecture,
    cells: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    input: tuple[int, int, int] | None = None,  # noqa: A002  the name of the network block's field
    stem: str | None = None,
) -> dict[str, Any]:
    """Parameters and costs of an architecture; arguments override the file's `network` block.

    Returns:
        params: without auxiliary head; params_aux: what a head adds where the architecture can carry one (else 0);
        macs: per image; weight_bytes: 4 x params; saved_bytes: of the safetensors file with BatchNorm statistics and
        without head; and the network block used: cells, channels, classes, input, stem.

    Raises:
        ConfigError: a value is given neither in the file nor here.
    """
    over: dict[str, Any] = {"cells": cells, "channels": channels, "classes": classes, "stem": stem}
    shape = network_shape(arch, input=input, **over)
    # without head: the network that is deployed. The head counts in training only
    net = _on_meta(lambda: build_network(arch, input_shape=input, aux=False, **over))
    count, _ = count_parameters(net)
    head = 0
    if arch.kind == "cells":
        head = count_parameters(_on_meta(lambda: build_network(arch, input_shape=input, aux=True, **over)))[1]
    return {
        "params": count,
        "params_aux": head,
        "macs": count_macs(net, shape.need("input")),
        "weight_bytes": FLOAT_BYTES * count,
        "saved_bytes": saved_bytes(net),
        "cells": shape.cells,
        "channels": shape.channels,
        "classes": shape.classes,
        "input": list(shape.need("input")),
        "stem": shape.stem,
    }


def latency(
    net: nn.Module, input_shape: tuple[int, int, int], batch: int = 1, repeats: int = 20, threads: int | None = None
) -> dict[str, float]:
    """Wall time of one forward pass in evaluation mode, on the network's own device, in milliseconds.

    Returns:
        latency_ms (median), latency_ms_min, latency_ms_max, latency_batch, latency_threads. The number of threads is
        put back afterwards; the first two passes are not counted.
    """
    if repeats < 1:
        raise ConfigError(f"latency: repeats must be >= 1, got {repeats}")
    before, was_training = torch.get_num_threads(), net.training
    parameter = next(net.parameters())
    x = torch.zeros(batch, *input_shape, device=parameter.device, dtype=parameter.dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    torch.set_num_threads(threads or before)
    net.eval()
    times = []
    try:
        with torch.inference_mode():
            for i in range(repeats + 2):
                start = time.perf_counter()
                net(x)
                if x.is_cuda:
                    # a call on a GPU returns before its work is done
                    torch.cuda.synchronize()
                if i > 1:
                    times.append(1e3 * (time.perf_counter() - start))
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
        net.train(was_training)
    return {
        "latency_ms": statistics.median(times),
        "latency_ms_min": min(times),
        "latency_ms_max": max(times),
        "latency_batch": batch,
        "latency_threads": used,
    }


def supernet_macs(
    space: str | CellSpace,
    cells: int,
    channels: int,
    input: tuple[int, int, int],  # noqa: A002  as above
    classes: int = 7,
    nodes: int | None = None,
    stem: str = "plain",
    operations: Mapping[str, Mapping[int, Sequence[str]]] | None = None,
) -> int:
    """Multiply-adds per image of a forward pass of the plain supernet.

    Args as in `make_supernet`; `input` is (C, H, W) of one image; `operations`: those that remain on edges, per kind of
    cell as in `keep_operations`.
    """
    from fernas.spaces.supernet.plain import Supernet

    net = _throwaway(lambda: Supernet(space_of(space), cells, channels, input[0], classes, nodes, stem), input)
    assert isinstance(net, Supernet)
    for kind, remaining in (operations or {}).items():
        net.keep_operations(kind, remaining)
    return count_macs(net, input)


def partial_supernet_macs(
    space: str | CellSpace,
    cells: int,
    channels: int,
    input: tuple[int, int, int],  # noqa: A002  as above
    classes: int,
    stem: str,
    share: int,
) -> int:
    """Multiply-adds per image of a forward pass of a supernet whose mixed operations see one in `share` channels."""
    from fernas.spaces.supernet.partial import PartialSupernet

    sizes = (space_of(space), cells, channels, input[0], classes, None, stem)
    return count_macs(_throwaway(lambda: PartialSupernet(*sizes, share=share), input), input)


def supernet_edge_macs(
    space: str | CellSpace,
    cells: int,
    channels: int,
    input: tuple[int, int, int],  # noqa: A002  as above
    classes: int = 7,
    stem: str = "plain",
) -> tuple[int, dict[str, list[list[int]]]]:
    """What the supernet costs edge by edge, multiply-adds per image of a forward pass.

    Returns:
        The network without any edge, and per kind of cell a table (edges, operations but `none`): what that operation
        on that edge adds over all cells of the kind. All tables together give `supernet_macs`.
    """
    from fernas.spaces.supernet.plain import KINDS, Supernet

    cell_space = space_of(space)
    net = _throwaway(lambda: Supernet(cell_space, cells, channels, input[0], classes, None, stem), input)
    assert isinstance(net, Supernet)
    edges = edge_list(cell_space.nodes)
    for kind in KINDS:
        # all edges pruned: what is left is the network without any edge
        net.set_decisions(kind, dict.fromkeys(range(len(edges))))
    # cells of a kind share their decisions, so each table adds up over them; a reduction cell halves what follows
    tables = {kind: [[0] * len(cell_space.choices) for _ in edges] for kind in KINDS}
    size = tuple(-(-side // STEMS[stem]) for side in input[1:])
    for cell in net.cells:
        halved = tuple(-(-side // 2) for side in size)
        inside = halved if cell.reduction else size
        costs = {1: _operation_macs(cell_space.choices, cell.channels, inside, 1)}
        if cell.reduction:
            costs[2] = _operation_macs(cell_space.choices, cell.channels, size, 2)
        for row, (_, source) in zip(tables["reduce" if cell.reduction else "normal"], edges, strict=True):
            for column, cost in enumerate(costs[cell.stride(source)]):
                row[column] += cost
        size = inside
    return count_macs(net, input), tables


@functools.cache
def _operation_macs(names: tuple[str, ...], channels: int, size: tuple[int, int], stride: int) -> tuple[int, ...]:
    """Multiply-adds of each operation on a map of `channels` and `size` (H, W)."""
    from fernas.spaces.operations import search_operation

    counts = []
    for name in names:
        operation = _throwaway(functools.partial(search_operation, name, channels, stride), (channels, *size))
        device = next((t.device for t in operation.state_dict().values()), torch.device("cpu"))
        with _counted(operation) as macs_of_layers, torch.no_grad():
            operation(torch.zeros(1, channels, *size, device=device))
        counts.append(sum(macs_of_layers))
    return tuple(counts)
