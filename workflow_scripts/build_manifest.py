"""Read a dataset into its manifest."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(
    truth: list[str],
    parts: list[str],
    manifest: str,
    dataset: str,
    roots: dict[str, str],
    adapters: dict[str, str],
    options: dict[str, Any],
) -> None:
    """Write the manifest of a dataset, or of a composite from the manifests of its parts.

    `truth` orders this job after rendering; it is not read.
    """
    from fernas.core.io import read_parquet, write_parquet
    from fernas.datasets.adapters import adapter_of
    from fernas.datasets.manifest import build_manifest, merge_manifests

    adapter = adapter_of(dataset, adapters, list(roots))
    if parts:
        tables = {name: read_parquet(path) for name, path in zip(roots, parts, strict=True)}
        write_parquet(manifest, merge_manifests(dataset, tables, options, adapter))
    else:
        write_parquet(manifest, build_manifest(dataset, Path(roots[dataset]), options, adapter))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
