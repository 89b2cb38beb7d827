"""Inference of an exported model on new images, folders and videos: face, view and scaling are those of training.

The label says which training class an image resembles most. An expression is not an emotion.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core import plugins
from fernas.core.config import FacesConfig
from fernas.core.errors import DataError
from fernas.core.images import encode_image, is_image, list_images, read_image
from fernas.core.io import read_npy, read_parquet, write_bytes
from fernas.learn.arrays import known_noses

if TYPE_CHECKING:
    import pandas as pd

VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
MAX_FRAMES = 50  # of a video, spread evenly, for a model of still images

Reader = Callable[[], np.ndarray]  # one frame, uint8 RGB (H, W, 3)


@dataclass(frozen=True)
class Sample:
    """One thing to predict: its name, and a reader per frame in the order of time."""

    name: str
    frames: tuple[Reader, ...]


@dataclass(frozen=True)
class _Prepared:
    """Samples as the network takes them.

    Attributes:
        images: uint8 (N, H, W, C).
        inputs: the table of the inputs: `excluded`, nose tips.
        faces: the table of the faces: `status`, `detector`, `box`.
    """

    images: np.ndarray
    inputs: "pd.DataFrame"
    faces: "pd.DataFrame"


class Model:
    """An exported model with what its images go through."""

    def __init__(self, path: Path | str) -> None:
        """Open the file.

        Raises:
            DataError: it is no model that `fernas export` wrote.
        """
        from fernas.deploy.export import open_onnx

        self.session = open_onnx(path)
        metadata = self.session.get_modelmeta().custom_metadata_map
        if "fernas.preprocessing" not in metadata:
            raise DataError(f"{path}: no classes and view in its metadata, expected a model of `fernas export`")
        preprocessing = json.loads(metadata["fernas.preprocessing"])
        self.classes: list[str] = list(preprocessing["classes"])
        self.view: dict[str, Any] = preprocessing["view"]
        self.faces = FacesConfig.model_validate(preprocessing["faces"])
        self.card: dict[str, Any] = json.loads(metadata.get("fernas.card", "{}"))

    @property
    def needs_noses(self) -> bool:
        """Whether it looks at patches around the nose tip."""
        return "noses" in {entry.name for entry in self.session.get_inputs()}

    @property
    def takes_clips(self) -> bool:
        """Whether it looks at clips rather than single images."""
        return bool(plugins.load("views", self.view["kind"]).needs_clips)

    def predict(self, samples: Sequence[Sample]) -> list[dict[str, Any]]:
        """One row per sample, in their order: input, label, probability, face, box, `p_<class>`.

        The prediction of a sample without a face is that of the centre of its image, and its row says so.

        Raises:
            DataError: a sample from which the view can make no image.
        """
        import pandas as pd

        if not samples:
            return []
        prepared = self._prepare(samples)
        for sample, reason in zip(samples, prepared.inputs["excluded"], strict=True):
            if reason is not None and not pd.isna(reason):
                raise DataError(f"{sample.name}: {reason}")
        batch: dict[str, Any] = {"images": prepared.images}
        if self.needs_noses:
            # NaN where unknown: the model holds the mean of its training faces for these
            batch["noses"] = known_noses(prepared.inputs)
        probabilities = self.session.run(None, batch)[0]
        faces = prepared.faces.to_dict("records")
        return [self._row(s, p, dict(face)) for s, p, face in zip(samples, probabilities, faces, strict=True)]

    def _prepare(self, samples: Sequence[Sample]) -> _Prepared:
        """Faces and images of samples by the code that made the training's inputs."""
        from fernas.faces.align import align_manifest
        from fernas.views.inputs import InputSources, make_inputs

        readers = {f"{k}/{j}": reader for k, s in enumerate(samples) for j, reader in enumerate(s.frames)}

        def read(_: str, reference: str) -> np.ndarray:
            return readers[reference]()

        manifest, table = _tables(samples, self.takes_clips)
        faces, _ = align_manifest(manifest, read, None, {"given": False}, self.faces, progress=_quiet)
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder) / "inputs.npy", Path(folder) / "inputs.parquet"
            make_inputs(InputSources(table, manifest, faces, read), self.view, *files, progress=_quiet)
            return _Prepared(np.asarray(read_npy(files[0])), read_parquet(files[1]), faces)

    def _row(self, sample: Sample, probabilities: np.ndarray, face: dict[Any, Any]) -> dict[str, Any]:
        best = int(probabilities.argmax())
        return {
            "input": sample.name,
            "label": self.classes[best],
            "probability": float(probabilities[best]),
            "face": str(face["detector"]) if face["status"] == "ok" else "not found",
            "box": None if face["box"] is None else [round(float(v), 1) for v in face["box"]],
            **{f"p_{name}": float(v) for name, v in zip(self.classes, probabilities, strict=True)},
        }


def _tables(samples: Sequence[Sample], clips: bool) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """A manifest and a table of samples, as a dataset without labels would have them.

    A clip runs from its first frame (onset) to its last, which counts as its apex too: nobody has annotated one.
    """
    import pandas as pd

    ids = [f"given/{k}" for k in range(len(samples))]
    last = [len(sample.frames) - 1 for sample in samples]
    frames = [[f"{k}/{j}" for j in range(len(sample.frames))] for k, sample in enumerate(samples)]
    phases: dict[str, Any] = {"onset": 0, "apex": last, "offset": last} if clips else {}
    manifest = {"sample_id": ids, "dataset": "given", "frames": frames, "box": None}
    table = {"sample_id": ids, "source_id": ids, "dataset": "given", "subject": None, "label": "", "class_index": 0}
    positions = [[0, n, n] if clips else [0] for n in last]
    return (
        pd.DataFrame({**manifest, **dict.fromkeys(("onset", "apex", "offset")), **phases}),
        pd.DataFrame({**table, "positions": positions}),
    )


def _quiet(items: Any, total: int | None = None, desc: str = "") -> Any:
    return items


def samples_of(path: Path, clips: bool) -> list[Sample]:
    """The samples in a file or a folder.

    Args:
        path: an image, a folder of images, or a video.
        clips: whether the model looks at clips: then a folder is one clip, and so is a video. Otherwise each image and
            each frame is a sample.

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
    from fernas.datasets.containers import read_video_frame, video_length

    length = video_length(path)

    def frame(index: int) -> Reader:
        return lambda: read_video_frame(path, index)

    if clips:
        return [Sample(str(path), tuple(frame(k) for k in range(length)))]
    chosen = np.unique(np.linspace(0, length - 1, min(length, MAX_FRAMES)).round().astype(int))
    return [Sample(f"{path}#{k}", (frame(int(k)),)) for k in chosen]


def annotate(sample: Sample, row: dict[str, Any], out: Path) -> None:
    """Write the sample's last frame with its face box and its prediction drawn in."""
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
