"""Geometry of alignment: from eyes or a box to a transform into the unit square of the aligned face; pure numpy.

A transform is a float64 (2, 3) matrix that maps the source (x right, y down, pixel i covers [i, i + 1)) to the unit
square [0, 1]^2 of the aligned face. Boxes are (x0, y0, x1, y1), half-open, in the same coordinates. Landmarks are as
detectors and datasets give them: the centre of pixel i is at i, half a pixel less than in the source.
"""

import math
from typing import NamedTuple

import numpy as np

Box = tuple[float, float, float, float]

# Eye centres inside the boxes of the two detectors, as fractions of the box: (left x, right x, y). Measured on faces
# whose eyes are known. How a detector frames a face is a property of the detector, so these are no options.
EYES_IN_BOX = {"dlib": (0.29, 0.71, 0.285), "haar": (0.315, 0.688, 0.414)}
# A Haar box as dlib would draw it: (shift down, scale), fractions of the side; shape predictors expect dlib's.
HAAR_TO_DLIB = (0.085, 0.87)
# What counts as a face's geometry: eye distance by box width, roll, nose relative to the eyes (in eye distances).
EYE_DISTANCE_BY_BOX = (0.2, 0.7)
MAX_ROLL_DEG = 45.0
NOSE_BELOW = (0.2, 1.3)
NOSE_ASIDE = 0.6
HALF_PIXEL = 0.5


class Eyes(NamedTuple):
    """Two eye centres, image-left first: float64 (2,) each, source pixels."""

    left: np.ndarray
    right: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The midpoint, float64 (2,)."""
        return (self.left + self.right) / 2

    @property
    def distance(self) -> float:
        """Distance between the centres, pixels."""
        return float(np.hypot(*(self.right - self.left)))

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors along the eye line (rightwards) and across it (towards the mouth)."""
        along = (self.right - self.left) / self.distance
        return along, np.array([-along[1], along[0]])


def eyes_transform(eyes: Eyes, eye_line: float, eye_distance: float) -> np.ndarray:
    """The similarity that puts the eyes level, centred at height `eye_line`, `eye_distance` apart.

    Args:
        eyes: the eye centres.
        eye_line: height of the eye line in the unit square, 0 top to 1 bottom.
        eye_distance: distance between the eye centres, fraction of the square's side.

    Returns:
        float64 (2, 3), source pixels -> unit square.
    """
    along, across = eyes.axes
    linear = np.stack([along, across]) * (eye_distance / eyes.distance)
    # x' = A x + b with b chosen so that the eyes' midpoint goes to (0.5, eye_line)
    return np.column_stack([linear, np.array([0.5, eye_line]) - linear @ (eyes.middle + HALF_PIXEL)])


def box_eyes(box: Box, detector: str) -> Eyes | None:
    """The eyes by a detector's framing of its box; None where the framing is not known (a box that a dataset ships)."""
    if detector not in EYES_IN_BOX:
        return None
    left, right, height = EYES_IN_BOX[detector]
    x0, y0, x1, y1 = box
    y = y0 + height * (y1 - y0)
    return Eyes(np.array([x0 + left * (x1 - x0), y]) - HALF_PIXEL, np.array([x0 + right * (x1 - x0), y]) - HALF_PIXEL)


def square_transform(box: Box, margin: float = 0.0) -> np.ndarray:
    """Map the square around a box, enlarged by `margin` of its side on each side, to the unit square."""
    x0, y0, x1, y1 = box
    side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
    corner = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - side / 2
    return np.column_stack([np.eye(2) / side, -corner / side])


def centre_crop_transform(height: int, width: int) -> np.ndarray:
    """Map the largest centred square of an image to the unit square."""
    side = min(height, width)
    x0, y0 = (width - side) / 2, (height - side) / 2
    return square_transform((x0, y0, x0 + side, y0 + side))


def whole_transform(height: int, width: int) -> np.ndarray:
    """Map the whole image to the unit square (a crop that the dataset ships)."""
    return np.array([[1 / width, 0.0, 0.0], [0.0, 1 / height, 0.0]])


def to_aligned(transform: np.ndarray, landmark: np.ndarray, size_px: float = 1.0) -> np.ndarray:
    """A landmark (2,) or landmarks (..., 2) of the source as landmarks of the aligned face of `size_px` pixels."""
    unit = (np.asarray(landmark) + HALF_PIXEL) @ transform[:, :2].T + transform[:, 2]
    return unit * size_px - HALF_PIXEL


def to_source(transform: np.ndarray, aligned: np.ndarray, size_px: float = 1.0) -> np.ndarray:
    """The landmark of the source (2,) that lies at `aligned` in the aligned face of `size_px` pixels."""
    unit = (np.asarray(aligned) + HALF_PIXEL) / size_px
    return np.linalg.solve(transform[:, :2], unit - transform[:, 2]) - HALF_PIXEL


def as_dlib_box(box: Box, detector: str) -> Box:
    """The box that shape predictors expect: dlib's framing."""
    if detector != "haar":
        return box
    shift, scale = HAAR_TO_DLIB
    x0, y0, x1, y1 = box
    side = x1 - x0
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2 + shift * side
    half = scale * side / 2
    return (middle_x - half, middle_y - half, middle_x + half, middle_y + half)


def implausible(eyes: Eyes, nose: np.ndarray | None, box: Box | None) -> str | None:
    """Why these landmarks cannot be a face's, or None.

    Args:
        eyes: the eye centres.
        nose: nose tip (2,), or None where it is not known.
        box: the face's box, or None where there is none to compare with.
    """
    # written so that nan is refused too
    if not eyes.distance > 1:
        return "the eyes coincide"
    roll = math.degrees(math.atan2(*(eyes.right - eyes.left)[::-1]))
    if abs(roll) > MAX_ROLL_DEG:
        return f"eye line rolled by {roll:.0f} degrees"
    if box is not None:
        share = eyes.distance / (box[2] - box[0])
        if not EYE_DISTANCE_BY_BOX[0] <= share <= EYE_DISTANCE_BY_BOX[1]:
            return f"eye distance {share:.2f} of the box"
        x, y = eyes.middle
        if not (box[0] < x < box[2] and box[1] < y < box[3]):
            return "eyes outside the box"
    if nose is not None:
        along, across = eyes.axes
        aside, below = (nose - eyes.middle) @ along / eyes.distance, (nose - eyes.middle) @ across / eyes.distance
        if abs(aside) > NOSE_ASIDE or not NOSE_BELOW[0] <= below <= NOSE_BELOW[1]:
            return f"nose {aside:+.2f} aside and {below:+.2f} below the eyes, in eye distances"
    return None


def nose_from_eyes(eyes: Eyes, drop: float) -> np.ndarray:
    """The nose tip `drop` eye distances below the eyes' midpoint, across the eye line: float64 (2,)."""
    return eyes.middle + drop * eyes.distance * eyes.axes[1]


def nose_tip_from_base(eyes: Eyes, base: np.ndarray, fraction: float) -> np.ndarray:
    """The nose tip between the eyes' midpoint and the base of the nose (where the five-point model's point lies)."""
    return eyes.middle + fraction * (base - eyes.middle)
