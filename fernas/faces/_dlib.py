"""dlib's face detector and shape predictors: the only module that imports dlib."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.errors import ConfigError, DataError
from fernas.faces.geometry import Box

FIVE_POINT_FILE = "shape_predictor_5_face_landmarks.dat"


@cache
def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise ConfigError(
            f"the Python module dlib cannot be imported ({error}); install the package dlib-bin (dlib, ready built)"
        ) from error
    return dlib


@cache
def _hog_detector() -> Any:
    return _dlib().get_frontal_face_detector()  # takes half a second to build


def five_point_model() -> Path | None:
    """The five-point model inside the installed face_recognition_models package, or None.

    The package is located and never imported: its import needs pkg_resources, which new setuptools lack.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "models" / FIVE_POINT_FILE
    return path if path.is_file() else None


class DlibDetector:
    """dlib's frontal HOG detector; not safe to share between threads."""

    def __init__(self) -> None:
        self._detector = _hog_detector()

    def detect(self, grey: np.ndarray, upsample: int) -> list[tuple[Box, float]]:
        """Boxes with their scores (0 is the detector's threshold), best first.

        Args:
            grey: uint8 (H, W).
            upsample: how many times the image is doubled first; the smallest face is 80 px without.
        """
        rectangles, scores, _ = self._detector.run(grey, upsample, 0.0)
        boxes = [
            # dlib's rectangles include their last row and column, boxes here are half-open
            ((float(r.left()), float(r.top()), float(r.right() + 1), float(r.bottom() + 1)), float(score))
            for r, score in zip(rectangles, scores, strict=True)
        ]
        return sorted(boxes, key=lambda item: (-item[1], item[0]))


class ShapePredictor:
    """A dlib shape predictor of five or 68 points; not safe to share between threads."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ConfigError(f"faces.landmark_model: no such file: {path}")
        try:
            self._predictor = _dlib().shape_predictor(str(path))
        except RuntimeError as error:
            raise ConfigError(f"faces.landmark_model: {path} is not a dlib shape predictor ({error})") from error

    def points(self, grey: np.ndarray, box: Box) -> np.ndarray:
        """Landmarks (5 or 68, 2), float64 source pixels.

        Args:
            grey: uint8 (H, W).
            box: the face, framed as dlib's detector does.
        """
        x0, y0, x1, y1 = (int(round(v)) for v in box)
        shape = self._predictor(grey, _dlib().rectangle(x0, y0, x1 - 1, y1 - 1))
        points = np.array([(p.x, p.y) for p in shape.parts()], np.float64)
        if len(points) not in (5, 68):
            raise DataError(f"faces.landmark_model: the model gives {len(points)} points, expected 5 or 68")
        return points
