"""Detect and align the faces of a corpus."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(
    manifest: str,
    audit: str,
    parts: list[str],
    previews_of_parts: list[str],
    faces: str,
    previews: str,
    dataset: str,
    roots: dict[str, str],
    adapters: dict[str, str],
    config: dict[str, Any],
) -> None:
    """Write faces.parquet and previews.npy; a composite takes those of its parts. `audit` must have passed."""
    from fernas.core.config import FacesConfig
    from fernas.core.io import read_npy, read_parquet, write_npy, write_parquet
    from fernas.datasets.frames import FrameReader
    from fernas.faces.align import align_manifest, merge_faces

    table = read_parquet(manifest)
    if parts:
        found, pictures = merge_faces(
            table, [read_parquet(p) for p in parts], [read_npy(p, mmap=True) for p in previews_of_parts]
        )
    else:
        reader = FrameReader({name: Path(root) for name, root in roots.items()}, adapters)
        ships = {dataset: bool(table.attrs.get("ships_crops", reader.ships_crops(dataset)))}  # options may decide
        found, pictures = align_manifest(table, reader.read, reader.own_landmarks, ships, FacesConfig(**config))
    write_npy(previews, pictures)
    write_parquet(faces, found)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
