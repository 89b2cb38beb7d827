"""No search: cells from an architecture file, for example published ones (`architectures/`)."""

from pathlib import Path

from pydantic import Field, field_validator

from fernas.core import plugins
from fernas.core.architecture import Architecture, CellsArchitecture, read_architecture
from fernas.core.errors import ConfigError, FernasError, did_you_mean, unknown
from fernas.learn.config import Options
from fernas.search.context import SearchContext, SearchPlugin
from fernas.spaces.cell_space import CellSpace, require_operations

PUBLISHED = Path(__file__).resolve().parents[1] / "spaces" / "data" / "architectures"


class FileConfig(Options):
    """Which file; the network has the size that the method's `network` says."""

    path: str = Field(
        description="an architecture file of cells, seen from the working folder, or the name of a published one: "
        "autofernet, darts_v1, darts_v2, pdarts, pcdarts"
    )

    @field_validator("path")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            read_cells(value)
        except FernasError as error:
            raise ValueError(str(error)) from error
        return value


def read_cells(path: str) -> CellsArchitecture:
    """The cells of a file, or of a published architecture of this name; every operation is one of their space.

    Raises:
        ConfigError: there is no such file, it is no architecture of cells, or its space lacks an operation.
        DataError: it is not valid json.
    """
    names = sorted(file.stem for file in PUBLISHED.glob("*.json"))
    file = PUBLISHED / f"{path}.json" if path in names else Path(path)
    if not file.is_file():
        raise ConfigError(
            f"{path}: no such file{did_you_mean(path, names)}; expected an architecture file or one of "
            f"{', '.join(names)}"
        )
    architecture = read_architecture(file)
    if not isinstance(architecture, CellsArchitecture):
        raise ConfigError(f"{path}: kind: got {architecture.kind!r}, expected 'cells'")
    spaces = [name for name in plugins.available("spaces") if isinstance(plugins.load("spaces", name), CellSpace)]
    if architecture.space not in spaces:
        raise unknown(f"{path}: space", architecture.space, spaces)
    require_operations(architecture, f"{path}: architecture")
    return architecture


def architecture(options: FileConfig) -> CellsArchitecture:
    """The cells of the file that the options name."""
    return read_cells(options.path)


def run(context: SearchContext) -> Architecture:
    """The cells of the file, with the size that the method gives and with this task's classes and images."""
    context.open(needs_samples=False)
    return architecture(context.options).model_copy(update={"network": context.network_block()})


def skip(space: str | None) -> str | None:
    """The file names the space."""
    return None if space is None else "the architecture file names its space; leave `space` out"


PLUGIN = SearchPlugin("file", "cells of a file", FileConfig, run, skip, uses_data=False, architecture=architecture)
