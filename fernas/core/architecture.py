"""The architecture artefact: validated json, tagged by `kind`, byte-stable; never `eval`, never a pickle."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from fernas.core.errors import ConfigError
from fernas.core.io import canonical_json, read_json, write_json


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# Limits far above any published network: a file from outside must not ask for more than a computer has.
MAX_CELLS = 200
MAX_CHANNELS = 4096  # of the first cell
MAX_CLASSES = 1000
MAX_INPUT = 1 << 24  # numbers of one image: 3 x 2048 x 2048 are 12.6 million
MAX_PAIRS = 64  # of a cell, 32 nodes; published cells have 4 to 7 nodes
MAX_PATCHES = 256
MAX_PX = 4096  # of a face


class Network(_Strict):
    """How cells, patches or a named network become a network: written by fernas, optional in files from outside."""

    cells: int | None = Field(default=None, ge=1, le=MAX_CELLS, description="number of cells")
    channels: int | None = Field(default=None, ge=1, le=MAX_CHANNELS, description="channels C of the first cell")
    stem: Literal["plain", "stride2"] = "plain"
    aux: bool = False
    classes: int | None = Field(default=None, ge=2, le=MAX_CLASSES)
    input: tuple[int, int, int] | None = Field(default=None, description="(C, H, W)")


class Origin(_Strict):
    """Where cells that a file brings come from: what their search saw stands in the tables."""

    paper: str = Field(min_length=1)
    dataset: str = Field(min_length=1, description="a plug-in of fernas/datasets, or any other name (CIFAR-10)")
    test_split: bool = Field(description="whether the search saw the test split of that dataset")


class CellsArchitecture(_Strict):
    """A normal and a reduction cell: two `(operation, input)` pairs per node in order."""

    kind: Literal["cells"] = "cells"
    space: str
    normal: tuple[tuple[str, int], ...] = Field(max_length=MAX_PAIRS)
    normal_concat: tuple[int, ...] = Field(max_length=MAX_PAIRS)
    reduce: tuple[tuple[str, int], ...] = Field(max_length=MAX_PAIRS)
    reduce_concat: tuple[int, ...] = Field(max_length=MAX_PAIRS)
    network: Network | None = None
    origin: Origin | None = None

    @model_validator(mode="after")
    def _check(self) -> "CellsArchitecture":
        for name, cell, concat in (
            ("normal", self.normal, self.normal_concat),
            ("reduce", self.reduce, self.reduce_concat),
        ):
            if not cell or len(cell) % 2:
                raise ValueError(f"{name}: expected two [operation, input] pairs per node, got {len(cell)} pairs")
            for position, (operation, source) in enumerate(cell):
                # node n may read the cell's two inputs and the n nodes before it; each node has two pairs
                if not 0 <= source < 2 + position // 2:
                    raise ValueError(
                        f"{name}: pair {position} ({operation!r}, {source}): input must be in 0..{1 + position // 2}"
                    )
            nodes = len(cell) // 2
            if not concat or not all(0 <= c < nodes + 2 for c in concat):
                raise ValueError(f"{name}_concat: expected states in 0..{nodes + 1}, got {list(concat)}")
        return self

    @property
    def nodes(self) -> int:
        """Number of intermediate nodes of a cell."""
        return len(self.normal) // 2


class Patch(_Strict):
    """One box: centre (dx, dy) relative to the nose tip and size (w, h), pixels on a face of `face_px`."""

    dx: int = Field(ge=-MAX_PX, le=MAX_PX)
    dy: int = Field(ge=-MAX_PX, le=MAX_PX)
    w: int = Field(ge=1, le=MAX_PX)
    h: int = Field(ge=1, le=MAX_PX)


class PatchesArchitecture(_Strict):
    """Face patches relative to the nose tip, on a square aligned face of `face_px` pixels."""

    kind: Literal["patches"] = "patches"
    face_px: int = Field(ge=8, le=MAX_PX)
    patches: tuple[Patch, ...] = Field(min_length=1, max_length=MAX_PATCHES)
    form: Literal["separate", "stacked"] = Field(
        default="separate", description="patches at native size, or resized and stacked as channels (the ablation)"
    )
    resize_px: int | None = Field(default=None, ge=4, le=MAX_PX, description="form stacked: side of a resized patch")
    network: Network | None = None


class NamedArchitecture(_Strict):
    """A fixed network by its name, for example `mobilenet_v2`."""

    kind: Literal["named"] = "named"
    name: str
    network: Network | None = None


Architecture = CellsArchitecture | PatchesArchitecture | NamedArchitecture
_ADAPTER: TypeAdapter[Architecture] = TypeAdapter(Annotated[Architecture, Field(discriminator="kind")])


def parse_architecture(document: Any, where: str = "architecture") -> Architecture:
    """A json document -> the model of its kind; a ConfigError says what is wrong and where."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {place or 'document'}: {first['msg']}, got {first.get('input')!r:.120}") from error


def architecture_json(architecture: Architecture) -> dict[str, Any]:
    """The plain json document of an architecture, without what says nothing (no network block, the usual form)."""
    document = architecture.model_dump(mode="json")
    for name, plain in (("network", None), ("origin", None), ("form", "separate"), ("resize_px", None)):
        # left out, so that a file from outside without these keys has the same hash
        if name in document and document[name] == plain:
            document.pop(name)
    return document


def read_architecture(path: Path | str) -> Architecture:
    """Read and validate an architecture file."""
    return parse_architecture(read_json(path), str(path))


def write_architecture(path: Path | str, architecture: Architecture) -> None:
    """Write an architecture file, byte-stable."""
    write_json(path, architecture_json(architecture))


def architecture_hash(architecture: Architecture) -> str:
    """16 hex digits that identify the architecture and its network block."""
    return hashlib.sha256(canonical_json(architecture_json(architecture)).encode()).hexdigest()[:16]
