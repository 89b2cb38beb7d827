"""Read a dataset into its manifest."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(parts: list[str], manifest: str, source: dict[str, Any], options: dict[str, Any]) -> None:
    """Write the manifest of a dataset, or of a composite from the manifests of its parts."""
    from fernas.core.io import read_parquet, write_parquet
    from fernas.datasets.adapters import adapter_of
    from fernas.datasets.manifest import build_manifest, merge_manifests

    name, roots = source["name"], source["roots"]
    adapter = adapter_of(name, source["adapters"], list(roots))
    if parts:
        tables = {part: read_parquet(path) for part, path in zip(roots, parts, strict=True)}
        write_parquet(manifest, merge_manifests(name, tables, options, adapter))
    else:
        write_parquet(manifest, build_manifest(name, Path(roots[name]), options, adapter))


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
