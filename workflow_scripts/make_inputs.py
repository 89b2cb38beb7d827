"""Make what the networks see."""

from typing import Any

from fernas.workflow.job import run_rule


def main(
    samples: str,
    manifest: str,
    faces: str,
    inputs: str,
    table: str,
    source: dict[str, Any],
    no_face: str,
    view: dict[str, Any],
) -> None:
    """Write inputs.npy and inputs.parquet of a task's view."""
    from fernas.core.io import read_parquet
    from fernas.datasets.frames import FrameReader
    from fernas.datasets.tasks import read_samples
    from fernas.views.inputs import InputSources, make_inputs

    reader = FrameReader(source["roots"], source["adapters"])
    sources = InputSources(read_samples(samples), read_parquet(manifest), read_parquet(faces), reader.read, no_face)
    make_inputs(sources, view, inputs, table)


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
