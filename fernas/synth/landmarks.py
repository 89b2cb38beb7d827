"""Landmarks: the 68 points of the iBUG scheme, exact by construction, and the noise a tracker would add."""

import numpy as np

from fernas.synth.geometry import FaceGeometry

JAW, BROWS, NOSE, EYES, MOUTH = slice(0, 17), slice(17, 27), slice(27, 36), slice(36, 48), slice(48, 68)
SKIN_POINTS = slice(0, 36)
"""Points that ride on the skin; eyes and mouth have their own curves."""

# spacing of the jaw points from chin to ear as iBUG annotators place them, in shares of the chin's height
_JAW_HEIGHTS = (1, 0.974, 0.886, 0.775, 0.645, 0.50, 0.34, 0.18, 0.02)


def neutral_skin_landmarks(face: FaceGeometry) -> np.ndarray:
    """Jaw, brows and nose of the neutral face, float32 (36, 2) in IPD."""
    points = np.zeros((36, 2), np.float32)
    steps = np.arange(17) - 8
    heights = face.chin_y * np.interp(np.abs(steps), np.arange(9), _JAW_HEIGHTS)
    points[JAW] = np.stack([np.sign(steps) * face.jaw_half_width(heights), heights], 1)
    share = np.linspace(0, 1, 5)
    right = np.stack([face.brow_x(share), face.brow_height(share)], 1)
    # iBUG numbers both brows from the image's left to right: the left one runs from its outer end
    points[22:27] = right
    points[17:22] = right[::-1] * (-1, 1)
    points[27:31, 1] = -0.02 + (face.nose_y - 0.08) * np.arange(4) / 3
    width, base = face.nose_width, face.nose_y
    points[31:36, 0] = width * np.array([-0.95, -0.5, 0, 0.5, 0.95])
    points[31:36, 1] = base + np.array([0.04, 0.075, 0.10, 0.075, 0.04])
    return points


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """(68, 2) -> (5, 2): left and right eye centre, nose tip, left and right mouth corner (of the image)."""
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]])


def eye_distance(landmarks: np.ndarray) -> float:
    """Distance between the two eye centres of (68, 2) landmarks, px."""
    left, right = five_points(landmarks)[:2]
    return float(np.hypot(*(right - left)))


def face_box(landmarks: np.ndarray) -> np.ndarray:
    """The box around (68, 2) landmarks as float64 (4,): x0, y0, x1, y1 in px."""
    return np.concatenate([landmarks.min(0), landmarks.max(0)]).astype(np.float64)


def track(landmarks: np.ndarray, rng: np.random.Generator, share: float = 0.012) -> np.ndarray:
    """Landmarks as a tracker would give them: a slow drift of the whole shape plus jitter per point.

    Args:
        landmarks: (T, 68, 2) true points of a clip, px.
        rng: the tracker's errors.
        share: standard deviation of the jitter in eye distances; jaw points get three times as much.
    """
    unit = share * np.mean([eye_distance(points) for points in landmarks])
    frames = len(landmarks)
    # the error of a tracker wanders from frame to frame
    drift = np.cumsum(rng.normal(0, 0.3, (frames, 1, 2)), axis=0)
    offset = rng.normal(0, 1.0, (1, 68, 2))
    jitter = rng.normal(0, 0.5, (frames, 68, 2))
    spread = np.ones((1, 68, 1))
    spread[:, JAW] = 3.0
    return landmarks + unit * (drift + spread * (offset + jitter))
