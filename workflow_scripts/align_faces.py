"""Detect and align the faces of a dataset."""

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
    card: str,
    dataset: str,
    roots: dict[str, str],
    adapters: dict[str, str],
    config: dict[str, Any],
) -> None:
    """Write faces.parquet, previews.npy and card.md; a composite takes the faces of its parts. `audit` has passed."""
    from fernas.core.config import FacesConfig
    from fernas.core.io import read_json, read_npy, read_parquet, write_npy, write_parquet, write_text
    from fernas.datasets.adapters import adapter_of
    from fernas.datasets.card import data_card
    from fernas.datasets.frames import FrameReader
    from fernas.faces.align import align_manifest, merge_faces

    table = read_parquet(manifest)
    if parts:
        found, images = merge_faces(
            table, [read_parquet(p) for p in parts], [read_npy(p, mmap=True) for p in previews_of_parts]
        )
    else:
        reader = FrameReader({name: Path(root) for name, root in roots.items()}, adapters)
        ships = {dataset: bool(table.attrs.get("ships_crops", reader.ships_crops(dataset)))}  # options may decide
        found, images = align_manifest(table, reader.read, reader.own_landmarks, ships, FacesConfig(**config))
    spec = adapter_of(dataset, adapters, list(roots)).spec
    write_text(card, data_card(spec, table, read_json(audit), found))
    write_npy(previews, images)
    write_parquet(faces, found)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
