"""Inference of an exported model on new images, folders and videos: face, view and scaling are those of training.

A model that was trained on crops as a dataset ships them takes an image of their size whole. In any other image the
face is detected, and aligned so that the eyes lie where they lie in these crops.

The label says which training class an image resembles most. An expression is not an emotion.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.errors import DataError, unknown
from fernas.core.images import encode_image, is_image, list_images, read_image
from fernas.core.io import read_npy, read_parquet, write_bytes
from fernas.learn.arrays import known_noses

if TYPE_CHECKING:
    import pandas as pd

VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
MAX_FRAMES = 50  # of a video, spread evenly, for a model of still images

TRAINED, CROP, DETECT, FIRST = "trained", "crop", "detect", "first"
# How a face is taken: as in training (an image of the size of the crops that it was trained on is taken whole, in any
# other the face is detected), the whole image always, detected always, or detected in the first frame of a folder or a
# video for all its frames, as the workflow does it for the frames of a sequence.
FACES = (TRAINED, CROP, DETECT, FIRST)

Reader = Callable[[], np.ndarray]  # one frame, uint8 RGB (H, W, 3)


@dataclass(frozen=True)
class Sample:
    """One thing to predict.

    Attributes:
        name: for the row.
        frames: a reader per frame, in the order of time; the face is looked for from the first one on.
        position: the frame that a model of stills looks at, a clip's last one.
    """

    name: str
    frames: tuple[Reader, ...]
    position: int = 0


@dataclass(frozen=True)
class Prepared:
    """Samples as the network takes them.

    Attributes:
        images: uint8 (N, H, W, C).
        noses: float32 (N, 2), nose tips in their pixels, NaN where unknown.
        faces: the table of the faces, one row per sample: `status`, `detector`, `box`.
    """

    images: np.ndarray
    noses: np.ndarray | None
    faces: "pd.DataFrame"


class Model:
    """An exported model with what its images go through."""

    def __init__(self, path: Path | str) -> None:
        """Open the file.

        Raises:
            DataError: it is no model that `fernas export` wrote.
        """
        from fernas.deploy.export import open_onnx, read_onnx

        self.path = path
        self.preprocessing, self.card = read_onnx(path)
        self.session = open_onnx(path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.preprocessing.classes

    @property
    def is_rendered(self) -> bool:
        """Whether it learned from rendered faces."""
        return bool(self.card["rendered"])

    @property
    def needs_noses(self) -> bool:
        """Whether it looks at patches around the nose tip."""
        return "noses" in {entry.name for entry in self.session.get_inputs()}

    @property
    def takes_clips(self) -> bool:
        """Whether it looks at clips rather than single images."""
        return self.preprocessing.chosen_view[0].needs_clips

    def predict(self, samples: Sequence[Sample], faces: str = TRAINED) -> list[dict[str, Any]]:
        """One row per sample, in their order: input, label, probability, face, box, rendered, `p_<class>`.

        `face` says how the face was taken: `crop` (the whole image), the detector that found it, or `not found`. The
        prediction of a sample without a face is that of the centre of its image.

        Args:
            samples: what to look at.
            faces: a name of `FACES`.

        Raises:
            DataError: a sample from which the view can make no image, or a network that gives no probabilities.
        """
        if not samples:
            return []
        prepared = self.prepare(samples, faces)
        batch: dict[str, Any] = {"images": prepared.images}
        if self.needs_noses:
            # NaN where unknown: the model holds the mean of its training faces for these
            batch["noses"] = prepared.noses
        probabilities = self._probabilities(batch)
        records = prepared.faces.to_dict("records")
        return [self._row(s, p, dict(face)) for s, p, face in zip(samples, probabilities, records, strict=True)]

    def prepare(self, samples: Sequence[Sample], faces: str = TRAINED) -> Prepared:
        """Faces and images of samples by the code that made the training's inputs; see `predict`."""
        import pandas as pd

        from fernas.faces.align import align_manifest
        from fernas.views.inputs import InputSources, make_inputs

        if faces not in FACES:
            raise unknown("faces", faces, FACES)
        # samples of one folder or video may share their frames, and then their face
        sources = {id(sample.frames): sample for sample in samples}
        readers = {f"{k}/{j}": reader for k, s in sources.items() for j, reader in enumerate(s.frames)}

        def read(_: str, reference: str) -> np.ndarray:
            return readers[reference]()

        kinds = {k: CROP if self._is_crop(sample, faces) else DETECT for k, sample in sources.items()}
        manifest, table = _tables(samples, kinds, self.takes_clips)
        # nobody looks at the previews
        config = self.preprocessing.photo_faces.model_copy(update={"preview_px": 16})
        found, _ = align_manifest(manifest, read, None, {CROP: True, DETECT: False}, config, progress=_quiet)
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder) / "inputs.npy", Path(folder) / "inputs.parquet"
            make_inputs(InputSources(table, manifest, found, read), self.preprocessing.view, *files, progress=_quiet)
            images, inputs = np.asarray(read_npy(files[0])), read_parquet(files[1])
        for sample, reason in zip(samples, inputs["excluded"], strict=True):
            if reason is not None and not pd.isna(reason):
                raise DataError(f"{sample.name}: {reason}")
        return Prepared(images, known_noses(inputs), found.set_index("sample_id").loc[list(table["source_id"])])

    def _is_crop(self, sample: Sample, faces: str) -> bool:
        """Whether the whole image is the face: by the caller's word, or by the size of the training's crops."""
        crops = self.preprocessing.crops
        if faces != TRAINED or crops is None:
            return faces == CROP
        height, width = sample.frames[0]().shape[:2]
        return crops.has_size(width, height)

    def _probabilities(self, batch: dict[str, Any]) -> np.ndarray:
        """The answers of the network, float32 (N, classes)."""
        try:
            found = self.session.run(["probabilities"], batch)[0]
        except Exception as error:  # noqa: BLE001 - onnxruntime's own errors have no common class of their own
            raise DataError(f"{self.path}: the network fails ({str(error).splitlines()[0][:200]})") from error
        expected = len(batch["images"]), len(self.classes)
        if found.shape != expected or not ((found >= 0) & (found <= 1 + 1e-6)).all():
            raise DataError(f"{self.path}: answers of shape {found.shape}, expected probabilities {expected}")
        return np.asarray(found)

    def _row(self, sample: Sample, probabilities: np.ndarray, face: dict[Any, Any]) -> dict[str, Any]:
        best = int(probabilities.argmax())
        return {
            "input": sample.name,
            "label": self.classes[best],
            "probability": float(probabilities[best]),
            "face": {"ok": str(face["detector"]), "shipped": CROP}.get(face["status"], "not found"),
            "box": [round(float(v), 1) for v in face["box"]] if face["status"] == "ok" else None,
            "rendered": self.is_rendered,
            **{f"p_{name}": float(v) for name, v in zip(self.classes, probabilities, strict=True)},
        }


def _tables(samples: Sequence[Sample], kinds: dict[int, str], clips: bool) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """A manifest of the sources and a table of samples, as a dataset without labels would have them.

    A clip runs from its first frame (onset) to its last, which counts as its apex too: nobody has annotated one.

    Args:
        samples: what to look at.
        kinds: id of a sample's frames -> how its face is taken; a dataset's name tells the aligner.
        clips: whether the model looks at clips.
    """
    import pandas as pd

    length = {id(sample.frames): len(sample.frames) for sample in samples}
    manifest = {
        "sample_id": [str(k) for k in length],
        "dataset": [kinds[k] for k in length],
        "frames": [[f"{k}/{j}" for j in range(n)] for k, n in length.items()],
        "box": None,
        "onset": 0 if clips else None,
    }
    table = {
        "sample_id": [str(k) for k in range(len(samples))],
        "source_id": [str(id(sample.frames)) for sample in samples],
        "dataset": [kinds[id(sample.frames)] for sample in samples],
        "positions": [[0, s.position, s.position] if clips else [s.position] for s in samples],
        **{"subject": None, "label": "", "class_index": 0},
    }
    return pd.DataFrame(manifest), pd.DataFrame(table)


def _quiet(items: Any, total: int | None = None, desc: str = "") -> Any:
    return items


def samples_of(path: Path, clips: bool, faces: str = TRAINED) -> list[Sample]:
    """The samples in a file or a folder.

    Args:
        path: an image, a folder of images, or a video.
        clips: whether the model looks at clips: then a folder is one clip, and so is a video. Otherwise each image and
            each frame is a sample.
        faces: a name of `FACES`; under `first` the images of a folder or video are the frames of one sequence.

    Raises:
        DataError: there is no such file, or it holds nothing that the model can look at.
    """
    if path.is_dir():
        images = list_images(path)
        if not images:
            raise DataError(f"{path}: no images in this folder")
        if clips:
            return [_clip(path, [_of_file(image) for image in images])]
        return _stills({str(image): _of_file(image) for image in images}, faces)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in VIDEOS:
        return _of_video(path, clips, faces)
    if not is_image(path):
        raise DataError(f"{path}: expected an image, a folder of images or a video ({', '.join(VIDEOS)})")
    if clips:
        raise DataError(f"{path}: this model looks at clips, expected a folder of frames or a video")
    return [Sample(str(path), (_of_file(path),))]


def _clip(path: Path, readers: list[Reader]) -> Sample:
    return Sample(str(path), tuple(readers), len(readers) - 1)


def _stills(readers: dict[str, Reader], faces: str) -> list[Sample]:
    if faces != FIRST:
        return [Sample(name, (reader,)) for name, reader in readers.items()]
    frames = tuple(readers.values())
    return [Sample(name, frames, position) for position, name in enumerate(readers)]


def _of_file(path: Path) -> Reader:
    return lambda: read_image(path)


def _of_video(path: Path, clips: bool, faces: str) -> list[Sample]:
    from fernas.datasets.containers import read_video_frame, video_length

    length = video_length(path)

    def frame(index: int) -> Reader:
        return lambda: read_video_frame(path, index)

    if clips:
        return [_clip(path, [frame(k) for k in range(length)])]
    chosen = np.unique(np.linspace(0, length - 1, min(length, MAX_FRAMES)).round().astype(int))
    return _stills({f"{path}#{k}": frame(int(k)) for k in chosen}, faces)


def annotate(sample: Sample, row: dict[str, Any], out: Path) -> None:
    """Write the frame that was looked at (a clip's last one) with its face box and its prediction drawn in."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sample.frames[sample.position]())
    drawing = ImageDraw.Draw(image)
    width = max(2, round(min(image.size) / 150))
    size = max(12, round(image.size[1] / 22))
    font = ImageFont.load_default(size=size)
    text = f"{row['label']} {100 * row['probability']:.0f} %" + (
        " (no face found)" if row["face"] == "not found" else ""
    )
    x, y = 4.0, 4.0
    if row["box"] is not None:
        drawing.rectangle(row["box"], outline=(79, 195, 189), width=width)
        x, y = row["box"][0], max(2.0, row["box"][1] - 1.4 * size)
    drawing.rectangle(drawing.textbbox((x, y), text, font=font), fill=(16, 21, 23))
    drawing.text((x, y), text, fill=(255, 255, 255), font=font)
    write_bytes(out, encode_image(np.asarray(image)))
