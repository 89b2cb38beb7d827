"""The face of one sample: frames are tried until one has landmarks, then a box is used, then the image's centre."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.config import FacesConfig
from fernas.core.errors import DataError
from fernas.faces.find import Detection, FaceFinder, Landmarks, as_grey
from fernas.faces.geometry import box_eyes, centre_crop_transform, eyes_transform, square_transform, whole_transform
from fernas.faces.warp import warp_face

ReadFrame = Callable[[str, str], np.ndarray]
ShippedLandmarksOf = Callable[[dict[str, Any]], np.ndarray | None]

# Where the face is in a crop that a dataset ships, as shares of the image (x0, y0, x1, y1); used for landmarks only.
SHIPPED_FACE = (0.1, 0.15, 0.9, 0.95)


@dataclass(frozen=True)
class Face:
    """The face of one sample: a row of the faces table.

    Attributes:
        status: ok, shipped (a crop of the dataset) or no_face.
        detector: dlib, haar, dataset_box, shipped or none.
        landmarker: dlib5, dlib68, eye_cascades, dataset, box (guessed from the box's framing) or none.
        reason: why there is no face.
        box: x0, y0, x1, y1, source pixels.
        landmarks: eyes and nose tip, source pixels.
        reference_frame: position of the frame that was used.
        score: of the detector.
        transform: float64 (2, 3), source pixels -> unit square; None where no frame can be read.
        nose: nose tip (2,), source pixels.
        nose_source: landmarks, estimated or mean.
        preview: uint8 (p, p, 3).
    """

    status: str
    detector: str
    landmarker: str = "none"
    reason: str | None = None
    box: tuple[float, float, float, float] | None = None
    landmarks: Landmarks | None = None
    reference_frame: int = 0
    score: float | None = None
    transform: np.ndarray | None = None
    nose: np.ndarray | None = None
    nose_source: str | None = None
    preview: np.ndarray | None = field(default=None, repr=False)


class Aligner:
    """The detectors and landmarkers of a config, applied to rows of a manifest."""

    def __init__(
        self, config: FacesConfig, read_frame: ReadFrame, shipped_landmarks: ShippedLandmarksOf | None
    ) -> None:
        self.config = config
        self.read_frame = read_frame
        self.shipped_landmarks = shipped_landmarks
        self.finder = FaceFinder(config)

    def align(self, row: dict[str, Any], is_shipped: bool) -> Face:
        """The face of one manifest row."""
        if len(row["frames"]) == 0:
            return Face("no_face", "none", reason="no frames")
        return self._align_crop(row) if is_shipped else self._align_image(row)

    def _align_crop(self, row: dict[str, Any]) -> Face:
        """A crop that the dataset ships: nothing is detected; it is taken whole, or aligned if the config says so."""
        position = _first_position(row)
        try:
            image = self.read_frame(row["dataset"], row["frames"][position])
        except DataError as error:
            return Face("no_face", "none", reason=f"unreadable: {error}", reference_frame=position)
        height, width = image.shape[:2]
        x0, y0, x1, y1 = SHIPPED_FACE
        inner = Detection((x0 * width, y0 * height, x1 * width, y1 * height), "shipped", None)
        # Eye cascades give no nose, and a dataset of shipped crops may have tens of thousands of images.
        landmarks = self.finder.landmarks(
            as_grey(image), inner, lambda: self._shipped(row, position), without=("eye_cascades",)
        )
        transform = whole_transform(height, width)
        if landmarks is not None and self.config.crops == "aligned":
            transform = eyes_transform(landmarks.eyes, self.config.eye_line, self.config.eye_distance)
        face = Face(
            "shipped", "shipped", box=(0.0, 0.0, float(width), float(height)), reference_frame=position,
            transform=transform,
        )  # fmt: skip
        return self._finished(_with_landmarks(face, landmarks), image)

    def _align_image(self, row: dict[str, Any]) -> Face:
        """Try frames until one has landmarks; fall back to a box, the dataset's box, the centre."""
        # three fallbacks in order of worth: landmarks of a later frame, the first box, the first readable image
        boxed: tuple[Face, np.ndarray] | None = None
        first: tuple[int, np.ndarray] | None = None
        unreadable = ""
        for position in _positions_to_try(row, self.config.max_tries):
            try:
                image = self.read_frame(row["dataset"], row["frames"][position])
            except DataError as error:
                unreadable = unreadable or str(error)
                continue
            first = first or (position, image)
            grey = as_grey(image)
            detection = self.finder.detect(grey)
            landmarks = self.finder.landmarks(grey, detection, functools.partial(self._shipped, row, position))
            if landmarks is not None:
                return self._finished(self._by_landmarks(detection, landmarks, position), image)
            if detection is not None and boxed is None:  # a later frame may still have landmarks
                boxed = (self._by_box(detection, position), image)
        if boxed is not None:
            return self._finished(*boxed)
        if first is None:
            return Face("no_face", "none", reason=f"unreadable: {unreadable}", reference_frame=_first_position(row))
        return self._without_detection(row, *first)

    def _without_detection(self, row: dict[str, Any], position: int, image: np.ndarray) -> Face:
        """The face by the box that the dataset ships, else the centre of the image with the reason."""
        box = _shipped_box(row) if "dataset_box" in self.config.detectors else None
        if box is not None:
            detection = Detection(box, "dataset_box", None)
            landmarks = self.finder.landmarks(as_grey(image), detection, lambda: self._shipped(row, position))
            if landmarks is not None:
                return self._finished(self._by_landmarks(detection, landmarks, position), image)
            return self._finished(self._by_box(detection, position), image)
        height, width = image.shape[:2]
        tried = len(_positions_to_try(row, self.config.max_tries))
        names = ", ".join(self.config.detectors)
        reason = f"no face in {tried} frame{'s' if tried > 1 else ''} of {width}x{height} px ({names})"
        transform = centre_crop_transform(height, width)
        return self._finished(
            Face("no_face", "none", reason=reason, reference_frame=position, transform=transform), image
        )

    def _by_landmarks(self, detection: Detection | None, landmarks: Landmarks, position: int) -> Face:
        transform = eyes_transform(landmarks.eyes, self.config.eye_line, self.config.eye_distance)
        face = Face("ok", "none", reference_frame=position, transform=transform)
        if detection is not None:
            face = replace(face, detector=detection.detector, box=detection.box, score=detection.score)
        return _with_landmarks(face, landmarks)

    def _by_box(self, detection: Detection, position: int) -> Face:
        """A face whose eyes are only guessed: from the detector's framing, or a square around the dataset's box."""
        face = Face("ok", detection.detector, "box", box=detection.box, score=detection.score, reference_frame=position)
        eyes = box_eyes(detection.box, detection.detector)
        if eyes is None:
            return replace(face, transform=square_transform(detection.box, self.config.box_margin))
        transform = eyes_transform(eyes, self.config.eye_line, self.config.eye_distance)
        return replace(_with_landmarks(face, self.finder.from_eyes(eyes, "box")), transform=transform)

    def _finished(self, face: Face, image: np.ndarray) -> Face:
        assert face.transform is not None  # noqa: S101 - every path that has an image has a transform
        return replace(face, preview=warp_face(image, face.transform, self.config.preview_px))

    def _shipped(self, row: dict[str, Any], position: int) -> np.ndarray | None:
        """The landmarks that the dataset ships; they belong to the first frame only, whatever frame is tried."""
        if self.shipped_landmarks is None or position != _first_position(row):
            return None
        return self.shipped_landmarks(row)


def _with_landmarks(face: Face, landmarks: Landmarks | None) -> Face:
    if landmarks is None:
        return face
    return replace(
        face, landmarks=landmarks, landmarker=landmarks.landmarker, nose=landmarks.nose,
        nose_source=landmarks.nose_source,
    )  # fmt: skip


def _first_position(row: dict[str, Any]) -> int:
    """The onset's position where the row has one inside its frames, else 0."""
    onset = row.get("onset")
    return int(onset) if not pd.isna(onset) and 0 <= int(onset) < len(row["frames"]) else 0


def _positions_to_try(row: dict[str, Any], max_tries: int) -> list[int]:
    first = _first_position(row)
    return list(range(first, min(first + max_tries, len(row["frames"]))))


def _shipped_box(row: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """The box that the dataset ships, if it is a box."""
    box = row.get("box")
    if box is None or np.ndim(box) != 1 or len(box) != 4 or not np.isfinite(np.asarray(box, np.float64)).all():
        return None
    x0, y0, x1, y1 = (float(v) for v in box)
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None
