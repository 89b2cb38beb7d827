"""Detect and align the faces of a dataset."""

from types import SimpleNamespace
from typing import Any

from fernas.workflow.job import run_rule


def main(
    input: SimpleNamespace, faces: str, previews: str, card: str, source: dict[str, Any], config: dict[str, Any]
) -> None:
    """Write faces.parquet, previews.npy and card.md; a composite takes the faces of its parts."""
    from fernas.core.config import FacesConfig
    from fernas.core.io import read_json, read_npy, read_parquet, write_npy, write_parquet, write_text
    from fernas.datasets.adapters import adapter_of
    from fernas.datasets.card import data_card
    from fernas.datasets.frames import FrameReader
    from fernas.faces.align import align_manifest, merge_faces

    dataset, table = source["name"], read_parquet(input.manifest)
    if input.parts:
        table_of_faces, images = merge_faces(
            table, [read_parquet(p) for p in input.parts], [read_npy(p, mmap=True) for p in input.previews_of_parts]
        )
    else:
        reader = FrameReader(source["roots"], source["adapters"])
        ships = {dataset: bool(table.attrs.get("ships_crops", reader.ships_crops(dataset)))}  # options may decide
        table_of_faces, images = align_manifest(table, reader.read, reader.own_landmarks, ships, FacesConfig(**config))
    spec = adapter_of(dataset, source["adapters"], list(source["roots"])).spec
    write_text(card, data_card(spec, table, read_json(input.audit), table_of_faces))
    write_npy(previews, images)
    write_parquet(faces, table_of_faces)


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
