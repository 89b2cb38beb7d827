"""Render a corpus in its real on-disk layout."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(truth: str, corpus: str, dataset: str, layout: str, config: dict[str, Any]) -> None:
    """Write the corpus folder in a layout, and the renderer's sidecar about the dataset."""
    from fernas.core.io import write_json
    from fernas.synth import renamed, write_corpus

    write_json(truth, renamed(write_corpus(layout, Path(corpus), config), dataset))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
