"""Make what the networks see."""

from pathlib import Path
from typing import Any

from fernas.core.jobs import run_rule


def main(
    manifest: str,
    faces: str,
    inputs: str,
    table: str,
    roots: dict[str, str],
    adapters: dict[str, str],
    task: dict[str, Any],
    view: dict[str, Any],
) -> None:
    """Write inputs.npy and inputs.parquet of a task's view."""
    from fernas.core.config import TaskConfig
    from fernas.core.io import read_parquet
    from fernas.datasets.frames import FrameReader
    from fernas.datasets.tasks import task_samples
    from fernas.views.inputs import InputSources, make_inputs

    samples_of = read_parquet(manifest)
    settings = TaskConfig(**task)
    reader = FrameReader({name: Path(root) for name, root in roots.items()}, adapters)
    sources = InputSources(
        task_samples(samples_of, settings), samples_of, read_parquet(faces), reader.read, settings.no_face
    )
    make_inputs(sources, view, inputs, table)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
