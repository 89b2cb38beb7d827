"""Curves of eyes and mouth for an activation, in IPD: what the pens draw and the landmarks mark."""

from dataclasses import dataclass

import numpy as np

from fernas.synth.action_units import channel, mean_channel
from fernas.synth.geometry import FaceGeometry

EYE_STEPS = np.linspace(-1, 1, 25, dtype=np.float32)
LIP_STEPS = np.array([-1, -0.62, -0.22, 0, 0.22, 0.62, 1], np.float32)
LIP_SAMPLES = 29
OPEN_GAP = 0.015
_CUPID = np.array([0, 0.004, 0, 0.012, 0, 0.004, 0], np.float32)


@dataclass(frozen=True)
class Eye:
    """One eye: x (25,), the lids' heights and the crease's at these x; centre x; how open the lids are."""

    side: int
    centre_x: float
    x: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    crease: np.ndarray
    opening: float

    def landmarks(self) -> np.ndarray:
        """Six points in the order of the iBUG scheme (corner, upper two, corner, lower two), float32 (6, 2)."""
        at = self.centre_x + np.array([-1, -0.4, 0.4, 1]) * (self.x[-1] - self.centre_x)
        upper = np.stack([at, np.interp(at, self.x, self.upper)], 1)
        lower = np.stack([at, np.interp(at, self.x, self.lower)], 1)
        return np.concatenate([upper, lower[[2, 1]]]).astype(np.float32)


def eye(face: FaceGeometry, activation: np.ndarray, side: int) -> Eye:
    """The lids of one eye (side 0 image-left, 1 image-right)."""
    sign = -1 if side == 0 else 1

    def unit(number: int) -> float:
        return channel(activation, number, side)

    height = face.eye_height
    narrowing = 0.22 * unit(7) + 0.12 * unit(6) + 0.15 * unit(4) + 0.2 * unit(9)
    lower = height * 0.62 * (1 + 0.10 * unit(5)) - 0.045 * unit(6) - 0.040 * unit(7) - 0.03 * unit(9) - 0.03 * unit(12)
    # AU43 brings the upper lid down onto the lower one
    upper = height * (1 + 0.75 * unit(5) - narrowing) * (1 - unit(43)) - 0.85 * lower * unit(43)
    # a closed eye keeps a slit, so that the lids never cross
    upper = max(upper, 0.004 - 0.9 * lower)
    lower = max(lower, -0.3 * upper)
    t = EYE_STEPS
    tilt = -sign * t * face.eye_tilt
    arc = (1 - np.abs(t) ** 2.1) ** 0.9
    x = sign * face.eye_dx + t * face.eye_width
    y_upper = -upper * arc * (1 - 0.18 * sign * t) + tilt
    y_lower = np.maximum(lower * (1 - np.abs(t) ** 2.3) * (1 + 0.15 * sign * t) + tilt, y_upper + 0.004)
    crease = y_upper - face.lid_fold * (1 - 0.55 * unit(4) - 0.3 * unit(5)) * arc**0.6 - 0.012
    return Eye(side, sign * face.eye_dx, x, y_upper, y_lower, crease, upper + lower)


@dataclass(frozen=True)
class Mouth:
    """The mouth: corners (2, 2) and the lips' heights (7,) at LIP_STEPS, from corner to corner."""

    corners: np.ndarray
    outer_upper: np.ndarray
    inner_upper: np.ndarray
    inner_lower: np.ndarray
    outer_lower: np.ndarray
    gap: float

    def x_at(self, steps: np.ndarray) -> np.ndarray:
        """Steps in [-1, 1] -> x."""
        return np.where(steps < 0, -steps * self.corners[0, 0], steps * self.corners[1, 0])

    def curve(self, heights: np.ndarray) -> np.ndarray:
        """A smooth curve through one of the four lip lines, float32 (29, 2)."""
        return _LIP_SPLINE @ np.stack([self.x_at(LIP_STEPS), heights], 1).astype(np.float32)

    def landmarks(self) -> np.ndarray:
        """Twenty points in the order of the iBUG scheme, float32 (20, 2)."""
        outer = [(self.outer_upper, s) for s in (-1, -0.55, -0.2, 0, 0.2, 0.55, 1)]
        outer += [(self.outer_lower, s) for s in (0.55, 0.2, 0, -0.2, -0.55)]
        inner = [(self.inner_upper, s) for s in (-0.9, -0.3, 0, 0.3, 0.9)] + [
            (self.inner_lower, s) for s in (0.3, 0, -0.3)
        ]
        steps = np.array([s for _, s in outer + inner], np.float32)
        heights = [np.interp(s, LIP_STEPS, line) for line, s in outer + inner]
        return np.stack([self.x_at(steps), heights], 1).astype(np.float32)


def mouth(face: FaceGeometry, activation: np.ndarray) -> Mouth:
    """The lips for an activation."""

    def both(number: int) -> float:
        return mean_channel(activation, number)

    corners = np.stack([_corner(face, activation, side) for side in (0, 1)])
    gap = (
        0.10 * both(25)
        + 0.05 * both(16)
        + 0.30 * both(26) * (0.35 + 0.65 * min(1.0, 1.6 * both(25)))
        + 0.035 * both(10) * both(25)
    )
    # AU24 presses the lips together and AU23 tightens them, against any opening
    gap *= (1 - 0.7 * both(24)) * (1 - 0.5 * both(23))
    lift = 0.05 * both(10) + 0.035 * both(9) + 0.02 * both(25) + 0.02 * both(26) + 0.015 * both(12) + 0.04 * both(17)
    thin = float(np.clip(1 - 0.55 * both(23) - 0.45 * both(24) - 0.25 * both(12) - 0.15 * both(20), 0.25, 1.2))
    centre = face.mouth_y - lift
    base = np.interp(LIP_STEPS, [-1, 0, 1], [corners[0, 1], corners[:, 1].mean(), corners[1, 1]])
    middle = 1 - LIP_STEPS**2
    inner_upper = base * (1 - middle) + (centre - 0.2 * gap) * middle + _CUPID
    inner_lower = (
        base * (1 - middle) + (centre + 0.8 * gap + 0.02 * both(16)) * middle + _CUPID * (1 if gap < 0.02 else 0.3)
    )
    inner_lower = np.maximum(inner_lower, inner_upper + 0.002)
    outer_upper = inner_upper - face.lip_upper * thin * np.array([0, 0.62, 1.05, 0.86, 1.05, 0.62, 0])
    outer_lower = inner_lower + face.lip_lower * thin * np.array([0, 0.68, 0.97, 1.0, 0.97, 0.68, 0])
    return Mouth(corners, outer_upper, inner_upper, inner_lower, outer_lower, gap)


def _corner(face: FaceGeometry, activation: np.ndarray, side: int) -> np.ndarray:
    sign = -1 if side == 0 else 1

    def unit(number: int) -> float:
        return channel(activation, number, side)

    wide = 0.13 * unit(12) + 0.06 * unit(14) + 0.14 * unit(20) + 0.01 * unit(15)
    narrow = 0.06 * unit(23) + 0.03 * unit(24) + 0.07 * unit(26) + 0.02 * unit(17)
    down = 0.13 * unit(15) + 0.04 * unit(20) + 0.06 * unit(26)
    up = 0.15 * unit(12) + 0.045 * unit(14) + 0.02 * unit(9)
    rest = face.mouth_y - face.mouth_curve + sign * face.asymmetry
    return np.array([sign * (face.mouth_width + wide - narrow), rest + down - up], np.float32)


def catmull_rom(controls: int, samples: int) -> np.ndarray:
    """The (samples, controls) matrix of a Catmull-Rom spline through evenly spaced control points, ends repeated."""
    out = np.zeros((samples, controls), np.float32)
    for row, at in enumerate(np.linspace(0, controls - 1, samples)):
        i = min(int(at), controls - 2)
        f = at - i
        # Catmull-Rom with tension 1/2: weights of the four neighbours at fraction f
        weights = (
            -0.5 * f + f * f - 0.5 * f**3,
            1 - 2.5 * f * f + 1.5 * f**3,
            0.5 * f + 2 * f * f - 1.5 * f**3,
            -0.5 * f * f + 0.5 * f**3,
        )
        for column, weight in zip((i - 1, i, i + 1, i + 2), weights, strict=True):
            out[row, min(max(column, 0), controls - 1)] += weight
    return out


_LIP_SPLINE = catmull_rom(len(LIP_STEPS), LIP_SAMPLES)
