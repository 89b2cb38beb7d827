"""The chains of detectors and landmarkers: the first detector with a face, the first landmarker with plausible points.

A detector gives a box, a landmarker the eyes and the nose tip inside it. Both chains are in the config; the faces table
records which member was used.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fernas.core.config import FacesConfig
from fernas.core.errors import ConfigError
from fernas.core.images import resize, to_grey
from fernas.faces._cascades import EyeCascades, HaarDetector
from fernas.faces._dlib import DlibDetector, ShapePredictor, five_point_model
from fernas.faces.geometry import Box, Eyes, as_dlib_box, implausible, nose_from_eyes, nose_tip_from_base

# Larger images are shrunk for detection only: at this size a face that matters is far above the smallest detectable.
DETECT_MAX_PX = 1200
NOSE_TIP_68 = 30  # index in the 68-point model

ShippedLandmarks = Callable[[], np.ndarray | None]


@dataclass(frozen=True)
class Detection:
    """The box of a face, its detector and the detector's score (None for a box that a dataset ships)."""

    box: Box
    detector: str
    score: float | None


@dataclass(frozen=True)
class Landmarks:
    """Eyes and nose tip, float64 (2,) each in source pixels, and the landmarker that gave them."""

    eyes: Eyes
    nose: np.ndarray
    landmarker: str
    nose_source: str


class FaceFinder:
    """Detectors and landmarkers of a config, loaded once; not safe to share between threads.

    Raises:
        ConfigError: dlib or a model file that the config asks for is missing.
    """

    def __init__(self, config: FacesConfig) -> None:
        self.config = config
        self._dlib = DlibDetector() if "dlib" in config.detectors else None
        self._predictor = self._load_predictor() if "dlib5" in config.landmarkers else None

    def _load_predictor(self) -> ShapePredictor | None:
        if self.config.landmark_model is not None:
            return ShapePredictor(Path(self.config.landmark_model))
        path = five_point_model()
        return ShapePredictor(path) if path is not None else None

    # Parsing a cascade takes longer than finding a face: the ones that nothing asks for are never read.
    @functools.cached_property
    def _haar(self) -> HaarDetector:
        return HaarDetector()

    @functools.cached_property
    def _eyes(self) -> EyeCascades:
        return EyeCascades()

    def detect(self, grey: np.ndarray) -> Detection | None:
        """The best face by the first detector that finds one: dlib, dlib on the doubled image, the cascade.

        Args:
            grey: uint8 (H, W).
        """
        scale = min(1.0, DETECT_MAX_PX / max(grey.shape))
        small = resize(grey, *(max(1, round(side * scale)) for side in grey.shape)) if scale < 1 else grey
        for name in self.config.detectors:
            # "dataset_box" is no detector: the aligner uses that box when all detectors failed
            boxes: list[tuple[Box, float]] = []
            if name == "dlib" and self._dlib is not None:
                boxes = self._detect_dlib(small)
            elif name == "haar":
                boxes = self._haar.detect(small)
            if boxes:
                (x0, y0, x1, y1), score = boxes[0]
                return Detection((x0 / scale, y0 / scale, x1 / scale, y1 / scale), name, score)
        return None

    def _detect_dlib(self, grey: np.ndarray) -> list[tuple[Box, float]]:
        assert self._dlib is not None  # noqa: S101 - the caller asks for dlib only when it is loaded
        if min(grey.shape) < self.config.upsample_below_px:
            return self._dlib.detect(grey, upsample=1)
        # a doubled image has four times the pixels, so large images are tried as they are first
        return self._dlib.detect(grey, upsample=0) or self._dlib.detect(grey, upsample=1)

    def landmarks(
        self, grey: np.ndarray, detection: Detection | None, shipped: ShippedLandmarks, without: tuple[str, ...] = ()
    ) -> Landmarks | None:
        """Eyes and nose by the first landmarker whose points are plausible.

        Args:
            grey: uint8 (H, W).
            detection: the face; without one only the landmarks of the dataset can be used.
            shipped: gives the landmarks that the dataset ships for this image, (3, 2) image-left eye, image-right eye,
                nose tip, or None.
            without: landmarkers that are left out.
        """
        for name in self.config.landmarkers:
            if name in without:
                continue
            candidate: Landmarks | None = None
            if name == "dataset":
                candidate = self._from_dataset(shipped())
            elif detection is not None and name == "dlib5" and self._predictor is not None:
                candidate = self._predict(grey, detection)
            elif detection is not None and name == "eye_cascades":
                eyes = self._eyes.find(grey, detection.box)
                candidate = self.from_eyes(eyes, name) if eyes is not None else None
            box = detection.box if detection is not None else None
            if candidate is not None and implausible(candidate.eyes, candidate.nose, box) is None:
                return candidate
        return None

    def _from_dataset(self, points: np.ndarray | None) -> Landmarks | None:
        if points is None or not np.isfinite(points[:2]).all():
            return None
        eyes = Eyes(np.asarray(points[0], np.float64), np.asarray(points[1], np.float64))
        if not np.isfinite(points[2]).all():
            return self.from_eyes(eyes, "dataset")
        return Landmarks(eyes, np.asarray(points[2], np.float64), "dataset", "landmarks")

    def _predict(self, grey: np.ndarray, detection: Detection) -> Landmarks:
        assert self._predictor is not None  # noqa: S101 - the caller checks it
        points = self._predictor.points(grey, as_dlib_box(detection.box, detection.detector))
        if len(points) == 68:
            eyes = Eyes(points[36:42].mean(axis=0), points[42:48].mean(axis=0))
            return Landmarks(eyes, points[NOSE_TIP_68], "dlib68", "landmarks")
        # Five points: corners of the image-right eye, corners of the image-left eye, base of the nose.
        eyes = Eyes(points[2:4].mean(axis=0), points[0:2].mean(axis=0))
        nose = nose_tip_from_base(eyes, points[4], self.config.nose_tip_fraction)
        return Landmarks(eyes, nose, "dlib5", "landmarks")

    def from_eyes(self, eyes: Eyes, landmarker: str) -> Landmarks:
        """Landmarks where only the eyes are known: the nose is estimated below them."""
        return Landmarks(eyes, nose_from_eyes(eyes, self.config.nose_drop), landmarker, "estimated")


def check_landmarkers(config: FacesConfig) -> str | None:
    """A warning when the five-point model is asked for and not installed, else None.

    Raises:
        ConfigError: the configured model file does not exist.
    """
    if config.landmark_model is not None and not Path(config.landmark_model).is_file():
        raise ConfigError(f"faces.landmark_model: no such file: {config.landmark_model}")
    if "dlib5" in config.landmarkers and config.landmark_model is None and five_point_model() is None:
        return "no five-point landmark model found (package face_recognition_models): eye cascades are used instead"
    return None


def as_grey(image: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) or grey (H, W) -> grey (H, W)."""
    return to_grey(image) if image.ndim == 3 else image
