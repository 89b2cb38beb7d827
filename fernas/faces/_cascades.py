"""OpenCV's cascades: the frontal-face one as second detector, the eye ones inside a face box."""

from pathlib import Path

import cv2
import numpy as np

from fernas.core.errors import ConfigError
from fernas.faces.geometry import Box, Eyes

FACE = "haarcascade_frontalface_default.xml"
EYES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")
MIN_FACE_PX = 40
SEARCH_WIDTH_PX = 200  # width to which the upper face is brought before eyes are searched


def _load(name: str) -> cv2.CascadeClassifier:
    # opencv-python 5 has neither the class nor the files
    if not hasattr(cv2, "CascadeClassifier"):
        raise ConfigError(f"opencv-python {cv2.__version__} has no cascades; install a 4.x version")
    path = Path(cv2.__file__).parent / "data" / name
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ConfigError(f"the cascade {path} is missing; install a 4.x version of opencv-python")
    return cascade


def _run(
    cascade: cv2.CascadeClassifier, grey: np.ndarray, min_px: int, max_px: int, step: float, neighbours: int
) -> list[tuple[tuple[int, int, int, int], float]]:
    """Boxes (x, y, w, h) with the last stage's weight, best first; ties fall to the leftmost, topmost."""
    if min(grey.shape) < min_px:
        return []
    boxes, _, weights = cascade.detectMultiScale3(
        grey,
        scaleFactor=step,
        minNeighbors=neighbours,
        minSize=(min_px, min_px),
        maxSize=(max_px, max_px),
        # without it there are no weights to rank the boxes by
        outputRejectLevels=True,
    )
    scored = [((int(b[0]), int(b[1]), int(b[2]), int(b[3])), float(w)) for b, w in zip(boxes, weights, strict=True)]
    return sorted(scored, key=lambda item: (-item[1], item[0]))


class HaarDetector:
    """OpenCV's frontal-face cascade; not safe to share between threads."""

    def __init__(self) -> None:
        self._cascade = _load(FACE)

    def detect(self, grey: np.ndarray) -> list[tuple[Box, float]]:
        """Boxes with their scores (weight of the last stage), best first; grey is uint8 (H, W)."""
        boxes = _run(self._cascade, cv2.equalizeHist(grey), MIN_FACE_PX, max(grey.shape), step=1.1, neighbours=5)
        return [((float(x), float(y), float(x + w), float(y + h)), score) for (x, y, w, h), score in boxes]


class EyeCascades:
    """Eyes by OpenCV's eye cascades inside a face box; not safe to share between threads."""

    def __init__(self) -> None:
        self._cascades = [_load(name) for name in EYES]

    def find(self, grey: np.ndarray, box: Box) -> Eyes | None:
        """Both eye centres, or None unless one is found on either side of the face's middle.

        Args:
            grey: uint8 (H, W).
            box: the face as a detector frames it.
        """
        x0, y0, x1, y1 = box
        # the upper part of the face alone: fewer false eyes at nose and mouth
        top, bottom = y0 + 0.02 * (y1 - y0), y0 + 0.62 * (y1 - y0)
        left, right = x0 + 0.05 * (x1 - x0), x0 + 0.95 * (x1 - x0)
        xs = (max(0, int(left)), min(grey.shape[1], int(np.ceil(right))))
        ys = (max(0, int(top)), min(grey.shape[0], int(np.ceil(bottom))))
        region = grey[ys[0] : ys[1], xs[0] : xs[1]]
        if min(region.shape) < 8:
            return None
        scale = SEARCH_WIDTH_PX / region.shape[1]
        region = cv2.resize(region, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        region = cv2.equalizeHist(region)
        flipped = np.ascontiguousarray(region[:, ::-1])
        middle = ((x0 + x1) / 2 - xs[0]) * scale
        # half a pixel: landmarks count from pixel centres, the cropped region from its corner
        offset = np.array([xs[0], ys[0]]) - 0.5
        for cascade in self._cascades:
            # The cascades put the image-right eye off its centre; both eyes are searched as the image-left one.
            left_eye = self._left_of(cascade, region, middle)
            right_eye = self._left_of(cascade, flipped, region.shape[1] - middle)
            if left_eye is not None and right_eye is not None:
                right_eye = np.array([region.shape[1] - right_eye[0], right_eye[1]])
                return Eyes(left_eye / scale + offset, right_eye / scale + offset)
        return None

    @staticmethod
    def _left_of(cascade: cv2.CascadeClassifier, region: np.ndarray, middle: float) -> np.ndarray | None:
        """Centre of the best detection left of the face's middle, in pixels of the region."""
        boxes = _run(cascade, region, int(0.12 * SEARCH_WIDTH_PX), int(0.45 * SEARCH_WIDTH_PX), step=1.05, neighbours=3)
        for (x, y, w, h), _ in boxes:
            if x + w / 2 < middle:
                return np.array([x + w / 2, y + h / 2])
        return None
