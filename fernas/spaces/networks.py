"""From an architecture to a network: one table from `kind` to the module that builds it."""

import importlib
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from fernas.core.architecture import MAX_CELLS, MAX_CHANNELS, MAX_CLASSES, MAX_INPUT, CellsArchitecture
from fernas.core.errors import ConfigError, unknown
from fernas.spaces.cell_space import require_operations
from fernas.spaces.cells import CellNetwork, FinalCell

# kind -> module with build(arch, shape: NetworkShape) -> nn.Module; a new kind is one line and one module
BUILDERS = {
    "cells": "fernas.spaces.networks",
    "named": "fernas.spaces.named",
    "patches": "fernas.spaces.patch_networks",
}


@dataclass(frozen=True)
class NetworkShape:
    """The `network` block with overrides applied. `input` is (C, H, W); None = not given anywhere."""

    cells: int | None = None
    channels: int | None = None
    stem: str = "plain"
    aux: bool = False
    classes: int | None = None
    input: tuple[int, int, int] | None = None

    def need(self, field: str) -> Any:
        """The value of a field, or a ConfigError that names it."""
        value = getattr(self, field)
        if value is None:
            raise ConfigError(f"architecture: network.{field} is not given, neither in the file nor as an argument")
        return value


def network_shape(arch: Any, **overrides: Any) -> NetworkShape:
    """The network block of an architecture; an override that is not None wins over the file."""
    block = getattr(arch, "network", None)
    fields = NetworkShape.__dataclass_fields__
    values = {name: getattr(block, name, None) for name in fields}
    values.update({name: value for name, value in overrides.items() if value is not None})
    shape = replace(NetworkShape(), **{name: value for name, value in values.items() if value is not None})
    if shape.input is not None:
        if len(shape.input) != 3 or min(shape.input) < 1:
            raise ConfigError(f"architecture: network.input must be three positive numbers C, H, W, got {shape.input}")
        c, h, w = shape.input
        shape = replace(shape, input=(int(c), int(h), int(w)))
        if c * h * w > MAX_INPUT:
            raise ConfigError(f"architecture: network.input {c}x{h}x{w}, expected at most {MAX_INPUT} numbers")
    for name, most in (("cells", MAX_CELLS), ("channels", MAX_CHANNELS), ("classes", MAX_CLASSES)):
        value = getattr(shape, name)
        if value is not None and not 1 <= value <= most:
            raise ConfigError(f"architecture: network.{name} must be in 1..{most}, got {value}")
    return shape


def build_network(
    arch: Any,
    classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    *,
    cells: int | None = None,
    channels: int | None = None,
    stem: str | None = None,
    aux: bool | None = None,
) -> nn.Module:
    """The network of an architecture of any kind, with fresh weights from torch's global generator.

    Args:
        arch: a model of `fernas.core.architecture`; its `network` block gives what the other arguments leave out.
        classes: number of classes.
        input_shape: (C, H, W) of one image.
        cells: number of cells (kind `cells`).
        channels: width of the first cells (kind `cells`).
        stem: `plain`, or `stride2` for inputs above 64 px.
        aux: auxiliary head behind the second reduction.

    Returns:
        A module from float images (N, C, H, W) to logits (N, classes); in training mode with an auxiliary head it
        returns (logits, auxiliary logits).

    Raises:
        ConfigError: unknown kind, operation or stem, or a value given neither in the file nor here.
    """
    shape = network_shape(arch, cells=cells, channels=channels, stem=stem, aux=aux, classes=classes, input=input_shape)
    if arch.kind not in BUILDERS:
        raise unknown("architecture: kind", arch.kind, BUILDERS)
    return importlib.import_module(BUILDERS[arch.kind]).build(arch, shape)


def build(arch: CellsArchitecture, shape: NetworkShape) -> CellNetwork:
    """The final network of a `cells` architecture."""
    require_operations(arch)
    return CellNetwork(
        arch,
        shape.need("cells"),
        shape.need("channels"),
        shape.need("input")[0],
        shape.need("classes"),
        shape.stem,
        shape.aux,
    )


def set_drop_path(net: nn.Module, probability: float) -> None:
    """Sets the drop-path probability of all cells; nothing happens in a network without cells."""
    for module in net.modules():
        if isinstance(module, FinalCell):
            module.drop_path_p = probability
