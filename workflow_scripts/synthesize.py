"""Render a dataset in its real on-disk layout."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(truth: str, root: str, dataset: str, layout: str, config: dict[str, Any]) -> None:
    """Write the dataset folder in a layout, and the renderer's sidecar about the dataset."""
    from fernas.core.io import write_json
    from fernas.synth import renamed, write_dataset

    write_json(truth, renamed(write_dataset(layout, Path(root), config), dataset))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
