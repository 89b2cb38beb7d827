"""Render a corpus in its real on-disk layout."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(truth: str, corpus: str, dataset: str, config: dict[str, Any]) -> None:
    """Write the corpus folder and the renderer's sidecar."""
    from fernas.core.io import write_json
    from fernas.synth import write_corpus

    write_json(truth, write_corpus(dataset, Path(corpus), config))


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
