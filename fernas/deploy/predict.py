"""An exported model on new images, folders, videos: the same face, view and scaling as in training, then the answer.

What is written says what the model finds most like its training classes; an expression is not an emotion.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core import plugins
from fernas.core.config import FacesConfig
from fernas.core.errors import DataError
from fernas.core.images import encode_image, is_image, list_images, read_image
from fernas.core.io import read_npy, read_parquet, write_bytes
from fernas.learn.arrays import known_noses

VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
MAX_FRAMES = 50
"""Frames of a video that a model of still images looks at, spread evenly."""

Reader = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One thing to answer: its name, and a reader per frame in the order of time."""

    name: str
    frames: tuple[Reader, ...]


class Model:
    """An exported model with what its images go through."""

    def __init__(self, path: Path | str) -> None:
        """Open the file.

        Raises:
            DataError: it is no model that `fernas export` wrote.
        """
        from fernas.deploy.export import open_onnx

        self.session = open_onnx(path)
        notes = self.session.get_modelmeta().custom_metadata_map
        if "fernas.preprocessing" not in notes:
            raise DataError(f"{path}: says nothing of its classes and images, expected a model of `fernas export`")
        before = json.loads(notes["fernas.preprocessing"])
        self.classes: list[str] = list(before["classes"])
        self.view: dict[str, Any] = before["view"]
        self.faces = FacesConfig.model_validate(before["faces"])
        self.card: dict[str, Any] = json.loads(notes.get("fernas.card", "{}"))

    @property
    def needs_noses(self) -> bool:
        """Whether it looks at patches around the nose tip."""
        return "noses" in {given.name for given in self.session.get_inputs()}

    @property
    def takes_clips(self) -> bool:
        """Whether it looks at clips rather than single images."""
        return bool(plugins.load("views", self.view["kind"]).needs_clips)

    def answer(self, samples: Sequence[Sample]) -> list[dict[str, Any]]:
        """One row per sample: input, label, probability, face, box, `p_<class>`; in their order.

        A sample without a face is answered from the centre of its image, and its row says so.
        """
        import pandas as pd

        from fernas.faces.align import align_manifest
        from fernas.views.inputs import InputSources, make_inputs

        if not samples:
            return []
        readers = {f"{k}/{j}": read for k, s in enumerate(samples) for j, read in enumerate(s.frames)}
        frames = [[f"{k}/{j}" for j in range(len(s.frames))] for k, s in enumerate(samples)]
        ids = [f"given/{k}" for k in range(len(samples))]
        last = [len(refs) - 1 for refs in frames]
        whole = (
            {"onset": 0, "apex": last, "offset": last}
            if self.takes_clips
            else dict.fromkeys(("onset", "apex", "offset"))
        )
        manifest = pd.DataFrame({"sample_id": ids, "dataset": "given", "frames": frames, "box": None, **whole})
        positions = [[0, n, n] if self.takes_clips else [0] for n in last]
        table = pd.DataFrame(
            {
                "sample_id": ids, "source_id": ids, "dataset": "given", "subject": None, "label": "", "class_index": 0,
                "positions": positions,
            }
        )  # fmt: skip

        def read(_: str, reference: str) -> np.ndarray:
            return readers[reference]()

        found, _ = align_manifest(manifest, read, None, {"given": False}, self.faces, progress=_quiet)
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder) / "inputs.npy", Path(folder) / "inputs.parquet"
            make_inputs(InputSources(table, manifest, found, read), self.view, *files, progress=_quiet)
            images, made = np.asarray(read_npy(files[0])), read_parquet(files[1])
        given: dict[str, Any] = {"images": images}
        if self.needs_noses:
            given["noses"] = known_noses(made)
        values = self.session.run(None, given)[0]
        rows = []
        for k, sample in enumerate(samples):
            excluded = made["excluded"].iloc[k]
            if excluded is not None and not pd.isna(excluded):
                raise DataError(f"{sample.name}: {excluded}")
            best = int(values[k].argmax())
            box = found["box"].iloc[k]
            rows.append(
                {
                    "input": sample.name,
                    "label": self.classes[best],
                    "probability": float(values[k][best]),
                    "face": str(found["detector"].iloc[k]) if found["status"].iloc[k] == "ok" else "not found",
                    "box": None if box is None else [round(float(v), 1) for v in box],
                    **{f"p_{name}": float(v) for name, v in zip(self.classes, values[k], strict=True)},
                }
            )
        return rows


def _quiet(items: Any, total: int | None = None, desc: str = "") -> Any:
    return items


def samples_of(path: Path, clips: bool) -> list[Sample]:
    """What a file or a folder holds: images and frames of a video one by one, or clips as wholes.

    Args:
        path: an image, a folder of images, or a video.
        clips: for a model of clips: a folder is one clip, and so is a video; an image is none.

    Raises:
        DataError: there is no such file, or it holds nothing that the model can look at.
    """
    if path.is_dir():
        images = list_images(path)
        if not images:
            raise DataError(f"{path}: no images in this folder")
        if clips:
            return [Sample(str(path), tuple(_of_file(image) for image in images))]
        return [Sample(str(image), (_of_file(image),)) for image in images]
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in VIDEOS:
        return _of_video(path, clips)
    if not is_image(path):
        raise DataError(f"{path}: expected an image, a folder of images or a video ({', '.join(VIDEOS)})")
    if clips:
        raise DataError(f"{path}: this model looks at clips, expected a folder of frames or a video")
    return [Sample(str(path), (_of_file(path),))]


def _of_file(path: Path) -> Reader:
    return lambda: read_image(path)


def _of_video(path: Path, clips: bool) -> list[Sample]:
    from fernas.datasets._containers import read_video_frame, video_length

    length = video_length(path)

    def frame(index: int) -> Reader:
        return lambda: read_video_frame(path, index)

    if clips:
        return [Sample(str(path), tuple(frame(k) for k in range(length)))]
    chosen = np.unique(np.linspace(0, length - 1, min(length, MAX_FRAMES)).round().astype(int))
    return [Sample(f"{path}#{k}", (frame(int(k)),)) for k in chosen]


def annotate(sample: Sample, row: dict[str, Any], out: Path) -> None:
    """Write the sample's last frame with its face and its answer drawn in."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sample.frames[-1]())
    drawing = ImageDraw.Draw(image)
    width = max(2, round(min(image.size) / 150))
    size = max(12, round(image.size[1] / 22))
    font = ImageFont.load_default(size=size)
    text = f"{row['label']} {100 * row['probability']:.0f} %" + (" (no face found)" if row["box"] is None else "")
    x, y = 4.0, 4.0
    if row["box"] is not None:
        drawing.rectangle(row["box"], outline=(79, 195, 189), width=width)
        x, y = row["box"][0], max(2.0, row["box"][1] - 1.4 * size)
    drawing.rectangle(drawing.textbbox((x, y), text, font=font), fill=(16, 21, 23))
    drawing.text((x, y), text, fill=(255, 255, 255), font=font)
    write_bytes(out, encode_image(np.asarray(image)))
