"""The numbers that make one face, and the coordinates they live in.

Unit of length: 1 = the distance between the pupils (IPD); origin midway between them, x to the right, y down.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fernas.core import seeds

CANVAS_PX = 256
"""Side of the square canvas on which a face is drawn before the camera sees it."""

IPD_SHARE = 60 / 256
"""Distance between the pupils as a share of the canvas side."""

EYE_LINE_SHARE = 112 / 256
"""Height of the pupils as a share of the canvas side."""

# sRGB anchors, light to dark; colours between two anchors are interpolated
SKIN_TONES = np.array(
    [[234, 206, 184], [226, 192, 166], [216, 178, 146], [205, 158, 122], [178, 128, 92], [148, 100, 70], [116, 76, 54]],
    np.float32,
)
HAIR_COLOURS = np.array(
    [[20, 20, 22], [48, 36, 30], [86, 58, 38], [130, 90, 60], [200, 160, 110], [140, 60, 40], [155, 150, 150]],
    np.float32,
)
IRIS_COLOURS = np.array([[70, 45, 30], [40, 30, 25], [70, 105, 110], [85, 100, 70]], np.float32)

BALD, SHORT, SIDE_PART, FRINGE, LONG = range(5)
DARK_SKIN = 4.2


class FaceGeometry(NamedTuple):
    """Shape, colours and light of one face; lengths in IPD, light direction towards the light, shares in [0, 1]."""

    face_width: float
    top: float
    chin_y: float
    jaw_power: float
    jaw_root: float
    eye_dx: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    lid_fold: float
    iris_radius: float
    brow_y: float
    brow_inner: float
    brow_outer: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    brow_density: float
    nose_y: float
    nose_width: float
    nose_height: float
    nose_bridge: float
    mouth_y: float
    mouth_width: float
    mouth_curve: float
    lip_upper: float
    lip_lower: float
    lip_red: float
    cheek: float
    hairline: float
    hair_style: int
    hair_colour: int
    skin_tone: float
    iris_colour: int
    stubble: float
    freckles: float
    age: float
    softness: float
    lid_shadow: float
    light_x: float
    light_y: float
    ambient: float
    warmth: float
    asymmetry: float

    def skin_word(self) -> str:
        """The third of the range of skin tones: light, medium or dark."""
        return ("light", "medium", "dark")[min(int(self.skin_tone / 2), 2)]

    def skin_rgb(self) -> np.ndarray:
        """Base skin colour, float32 RGB (3,) in 0..255."""
        i = min(int(self.skin_tone), len(SKIN_TONES) - 2)
        share = self.skin_tone - i
        tint = np.array([1 + self.warmth, 1, 1 - self.warmth], np.float32)
        return ((SKIN_TONES[i] * (1 - share) + SKIN_TONES[i + 1] * share) * tint).astype(np.float32)

    def jaw_half_width(self, y: np.ndarray) -> np.ndarray:
        """Half width of the face contour at height y; 0 outside the head."""
        low = np.clip(y / self.chin_y, 0, 1)
        high = np.clip(-y / self.top, 0, 1)
        below = np.clip(1 - low**self.jaw_power, 0, None) ** (1 / self.jaw_root)
        return self.face_width * np.where(y > 0, below, np.sqrt(np.clip(1 - high**2.3, 0, None)))

    def brow_height(self, share: np.ndarray) -> np.ndarray:
        """Height y of the brow's middle line at `share` of the way from its inner (0) to its outer end (1)."""
        arch = 1.1 * self.brow_arch * np.sin(np.pi * np.minimum(1, share * 0.9) ** 1.2)
        return self.brow_y - arch - 2 * self.brow_tilt * (share - 0.5) + 0.05 * np.maximum(0, share - 0.6) / 0.4

    def brow_x(self, share: np.ndarray) -> np.ndarray:
        """Distance from the midline at `share` of the way along the brow."""
        return self.brow_inner + share * (self.brow_outer - self.brow_inner)


def sample_geometry(seed: int, variety: float = 1.0) -> FaceGeometry:
    """The face of one identity; independent draws, no population (but dark skin goes with dark hair and eyes).

    Args:
        seed: the identity.
        variety: factor on how far shape, skin and light lie from the middle of their ranges; hair is not touched.
    """
    rng = seeds.rng(seed, "geometry")

    def uniform(low: float, high: float) -> float:
        return float((low + high) / 2 + variety * (rng.uniform(low, high) - (low + high) / 2))

    def normal(mean: float, sd: float) -> float:
        return float(mean + variety * sd * np.clip(rng.standard_normal(), -2.2, 2.2))

    skin_tone = uniform(0, 6)
    dark = skin_tone > DARK_SKIN
    # both variants are drawn whatever the skin, so that later draws do not depend on it
    hair, dark_hair, iris, dark_iris = (int(rng.integers(n)) for n in (len(HAIR_COLOURS), 2, len(IRIS_COLOURS), 2))
    return FaceGeometry(
        face_width=normal(1.14, 0.05), top=normal(1.62, 0.06), chin_y=normal(1.88, 0.07),
        jaw_power=uniform(2.1, 3.3), jaw_root=uniform(1.45, 1.85),
        eye_dx=normal(0.5, 0.018), eye_width=normal(0.205, 0.012),
        eye_height=normal(0.078, 0.010), eye_tilt=normal(0.012, 0.018),
        lid_fold=uniform(0.05, 0.11), iris_radius=uniform(0.082, 0.094),
        brow_y=normal(-0.31, 0.025), brow_inner=normal(0.19, 0.025), brow_outer=normal(0.86, 0.035),
        brow_thickness=uniform(0.045, 0.085), brow_arch=uniform(0.02, 0.09),
        brow_tilt=normal(0, 0.02), brow_density=uniform(0.55, 0.95),
        nose_y=normal(0.70, 0.035), nose_width=normal(0.20, 0.022),
        nose_height=uniform(0.30, 0.46), nose_bridge=uniform(0.07, 0.11),
        mouth_y=normal(1.14, 0.04), mouth_width=normal(0.42, 0.03), mouth_curve=normal(0, 0.018),
        lip_upper=uniform(0.06, 0.115), lip_lower=uniform(0.09, 0.15), lip_red=uniform(0, 1),
        cheek=uniform(0.02, 0.07), hairline=normal(-1.02, 0.08), hair_style=int(rng.integers(5)),
        hair_colour=dark_hair if dark else hair, skin_tone=skin_tone, iris_colour=dark_iris if dark else iris,
        # a mean below 0 leaves most faces without stubble or freckles
        stubble=max(0.0, normal(-0.1, 0.35)), freckles=max(0.0, normal(-0.3, 0.4)),
        age=uniform(0.2, 1.0), softness=uniform(0, 1),
        lid_shadow=uniform(0.35, 0.9), light_x=normal(0, 0.38), light_y=normal(-0.45, 0.16), ambient=uniform(0.42, 0.6),
        warmth=normal(0, 0.04), asymmetry=normal(0, 0.012),
    )  # fmt: skip


@dataclass(frozen=True)
class Canvas:
    """The square pixel grid a face is drawn on."""

    size_px: int = CANVAS_PX

    @property
    def scale(self) -> float:
        """Pixels per IPD."""
        return self.size_px * IPD_SHARE

    @property
    def origin(self) -> np.ndarray:
        """Pixel of the point between the pupils, float32 (2,) as (x, y)."""
        return np.array([self.size_px / 2, self.size_px * EYE_LINE_SHARE], np.float32)

    def to_px(self, points: np.ndarray | tuple[float, float]) -> np.ndarray:
        """IPD coordinates (..., 2) -> canvas pixels, float32."""
        return np.asarray(points, np.float32) * np.float32(self.scale) + self.origin

    def grid(self, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """IPD coordinates (x, y) of `size` x `size` cell centres over the canvas (default: its pixels), float32."""
        n = size or self.size_px
        # OpenCV puts the centre of the first pixel at 0, hence the half pixel
        centres = (np.arange(n, dtype=np.float32) + 0.5) * (self.size_px / n) - 0.5
        x, y = np.meshgrid((centres - self.origin[0]) / self.scale, (centres - self.origin[1]) / self.scale)
        return x.astype(np.float32), y.astype(np.float32)


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, a cubic with flat ends between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(distance: np.ndarray, width: float) -> np.ndarray:
    """exp(-distance^2 / (2 width^2))."""
    return np.exp(-0.5 * (distance / width) ** 2)
