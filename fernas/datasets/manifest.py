"""The manifest: one row per sample of a dataset, its schema, and the manifest of a composite."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.images import natural_key
from fernas.datasets._base import Adapter
from fernas.datasets._rows import COLUMNS, typed
from fernas.datasets.adapters import adapter_of

__all__ = ["COLUMNS", "build_manifest", "merge_manifests", "typed", "validate_manifest"]
KINDS = {"still", "clip"}
APEX_SOURCES = {"annotated", "middle", "last"}


def build_manifest(
    name: str, root: Path | str, options: Mapping[str, Any] | None = None, adapter: Adapter | None = None
) -> pd.DataFrame:
    """Read the dataset at `root` into its manifest.

    Args:
        name: a plug-in of fernas/datasets.
        root: folder of its files, or its one file (fer2013.csv).
        options: options of the adapter.
        adapter: what reads it; by default the plug-in of that name.

    Returns:
        One row per labelled sample with the columns `COLUMNS`, sorted by `sample_id` in natural order; `onset`, `apex`
        and `offset` are positions in `frames`, from 0. `attrs["problems"]` lists what is odd in the files.

    Raises:
        DataError: the files cannot be read as a whole, or hold no labelled sample.
        ConfigError: unknown dataset or option, or a composite (its parts are merged).
    """
    adapter = adapter or adapter_of(name)
    if adapter.spec.parts:
        parts = ", ".join(adapter.spec.parts)
        raise ConfigError(f"{name}: a composite, made of the manifests of {parts}; it has no files of its own to read")
    table = adapter.build(Path(root), options)
    if table.empty:
        odd = "; ".join(table.attrs.get("problems", [])[:3])
        raise DataError(
            f"{root}: no labelled sample of {adapter.spec.title} found{' (' + odd + ')' if odd else ''};"
            f" expected {' and '.join(adapter.spec.layout[:3]) or 'its published layout'}"
        )
    return validate_manifest(table, adapter.spec.labels_allowed or None)


def merge_manifests(
    name: str,
    parts: Mapping[str, pd.DataFrame],
    options: Mapping[str, Any] | None = None,
    adapter: Adapter | None = None,
) -> pd.DataFrame:
    """The manifest of a composite from those of its parts; ids, subjects, datasets and frames stay the parts'."""
    adapter = adapter or adapter_of(name)
    if not adapter.spec.parts:
        raise ConfigError(f"{name}: no composite, expected one that is made of parts")
    missing = [part for part in adapter.spec.parts if part not in parts]
    if missing:
        raise ConfigError(
            f"{name}: the manifest of {', '.join(missing)} is missing, expected {', '.join(adapter.spec.parts)}"
        )
    # in the order of the spec, whatever order the caller's mapping has
    table = adapter.merge({part: parts[part] for part in adapter.spec.parts}, adapter.options(options))
    if table.empty:
        raise DataError(f"{name}: none of the samples of {', '.join(parts)} belongs to it")
    return validate_manifest(table, adapter.spec.labels_allowed or None)


def validate_manifest(table: pd.DataFrame, classes: Iterable[str] | None = None) -> pd.DataFrame:
    """Check the schema and return the table.

    Raises:
        ContractError: a missing column, an id that repeats or is out of order, a reference that leaves the root,
            positions outside the frames or out of order, a label that is no class; names the row.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ContractError(f"manifest: missing columns {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    ids = list(table["sample_id"])
    if len(set(ids)) != len(ids):
        raise ContractError(
            f"manifest: {table.loc[table['sample_id'].duplicated(), 'sample_id'].iloc[0]} is there twice"
        )
    keys = [natural_key(str(identity)) for identity in ids]
    # natural order is part of the contract: protocols that split by position count these rows
    at = next((i for i in range(1, len(keys)) if keys[i] < keys[i - 1]), None)
    if at is not None:
        raise ContractError(f"manifest: {ids[at]} comes after {ids[at - 1]}, expected natural order")
    known = set(classes) if classes is not None else None
    for row in table.to_dict("records"):
        _check_row(row, known)
    return table


def _check_row(row: Mapping[Any, Any], classes: set[str] | None) -> None:
    where = f"manifest: {row['sample_id']}"
    excluded = isinstance(row["excluded"], str)
    if row["kind"] not in KINDS:
        raise ContractError(f"{where}: kind {row['kind']!r}, expected still or clip")
    # nan, from a table that was read back, is not equal to itself
    if row["label"] is None or row["label"] != row["label"]:
        if not excluded:
            raise ContractError(f"{where}: no label")
    elif classes is not None and row["label"] not in classes:
        raise ContractError(f"{where}: label {row['label']!r}, expected one of {', '.join(sorted(classes))}")
    frames = list(row["frames"])
    for ref in frames:
        path = PurePosixPath(ref)
        # manifests are read by jobs that open these files: a reference must not reach others
        if path.is_absolute() or ".." in path.parts or not ref:
            raise ContractError(f"{where}: frame {ref!r}, expected a path below the root")
    if excluded:
        return
    if not frames:
        raise ContractError(f"{where}: no frames")
    if row["kind"] == "still":
        if len(frames) != 1:
            raise ContractError(f"{where}: a still with {len(frames)} frames")
        return
    positions = [row["onset"], row["apex"], row["offset"]]
    if any(pd.isna(position) for position in positions):
        raise ContractError(f"{where}: a clip without onset, apex or offset")
    onset, apex, offset = (int(position) for position in positions)
    if not 0 <= onset <= apex <= offset < len(frames):
        raise ContractError(f"{where}: onset {onset}, apex {apex}, offset {offset} of {len(frames)} frames")
    if row["apex_source"] not in APEX_SOURCES:
        raise ContractError(
            f"{where}: apex_source {row['apex_source']!r}, expected one of {', '.join(sorted(APEX_SOURCES))}"
        )
