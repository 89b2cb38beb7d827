"""The command `predict`: files one after another, or a camera until it is stopped."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.cli.output import emit
from fernas.core.errors import ConfigError

if TYPE_CHECKING:
    from fernas.deploy.predict import Model


def predict_files(model: Path, inputs: list[Path], annotated: Path | None, faces: str) -> list[dict[str, Any]]:
    """One row per image, frame or clip of the inputs; annotated images into a folder if one is given.

    Raises:
        ConfigError: no input.
        DataError: an input or the model cannot be read.
    """
    from fernas.deploy.predict import Model, annotate, samples_of

    if not inputs:
        raise ConfigError("predict: no input; expected images, folders, videos, or --camera 0")
    opened = Model(model)
    samples = [sample for path in inputs for sample in samples_of(path, opened.takes_clips, faces)]
    rows = opened.predict(samples, faces)
    _say_rendered(opened)
    for number, (sample, row) in enumerate(zip(samples, rows, strict=True)):
        if annotated is not None:
            annotate(sample, row, annotated / f"{number:04d}-{Path(sample.name.replace('#', '-')).stem}.png")
    return rows


def predict_camera(
    model: Path, camera: int, frames: int | None, annotated: Path | None, faces: str, as_json: bool
) -> None:
    """A line per image of a camera, until `frames` of them or Ctrl-C.

    Raises:
        ConfigError: the model expects clips, or the number of the camera or of frames is invalid.
        DataError: the camera yields no image.
    """
    import typer

    from fernas.deploy.camera import camera_frames
    from fernas.deploy.predict import Model, Sample, annotate

    opened = Model(model)
    if opened.takes_clips:
        raise ConfigError(f"{model}: expects clips; record one and give the folder of frames or the video")
    for number, image in enumerate(camera_frames(camera, frames)):
        sample = Sample(f"camera {camera} image {number}", (lambda pixels=image: pixels,))  # type: ignore[misc]
        row = opened.predict([sample], faces)[0]
        if number == 0:
            _say_rendered(opened)
        if as_json:
            emit(row, True)
        else:
            typer.echo(f"{number}: {row['label']} {100 * row['probability']:.0f} %, face {row['face']}")
        if annotated is not None:
            annotate(sample, row, annotated / f"camera-{number:06d}.png")


def _say_rendered(model: "Model") -> None:
    """On stderr, where neither a table nor JSON is disturbed."""
    if model.is_rendered:
        sys.stderr.write(f"{model.path}: trained on rendered faces; its answers say nothing about real people\n")
