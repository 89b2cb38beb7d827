"""Drawing eyes and mouth onto a warped canvas, anti-aliased, at sub-pixel positions (micro motion is that small)."""

from collections.abc import Sequence

import cv2
import numpy as np

from fernas.synth.action_units import channel
from fernas.synth.geometry import IRIS_COLOURS, Canvas, FaceGeometry
from fernas.synth.shapes import LIP_SAMPLES, OPEN_GAP, Eye, Mouth

# OpenCV takes fixed-point coordinates with this many fractional bits
SUBPIXEL = 6
_UNIT = 1 << SUBPIXEL
Colour = Sequence[float]


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(points * _UNIT).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, colour: Colour | int) -> None:
    """Fill the polygon (N, 2) px."""
    cv2.fillPoly(image, [_fixed(points)], colour, cv2.LINE_AA, SUBPIXEL)


def stroke(image: np.ndarray, points: np.ndarray, colour: Colour, width: float) -> None:
    """Draw the open line (N, 2) px."""
    cv2.polylines(image, [_fixed(points)], False, colour, max(1, round(width)), cv2.LINE_AA, SUBPIXEL)


def dot(image: np.ndarray, centre: np.ndarray, radius: float, colour: Colour) -> None:
    """Fill a disc."""
    cv2.circle(
        image, (int(centre[0] * _UNIT), int(centre[1] * _UNIT)), int(radius * _UNIT), colour, -1, cv2.LINE_AA, SUBPIXEL
    )


def _tint(colour: np.ndarray | tuple[float, ...], factor: float) -> list[float]:
    return (np.asarray(colour, np.float32) * factor).tolist()


class EyePen:
    """Draws one eye into its patch of the image."""

    def __init__(self, image: np.ndarray, canvas: Canvas, face: FaceGeometry, eye: Eye, offset: np.ndarray) -> None:
        """Cut the patch of uint8 RGB `image` (S, S, 3) around the eye; `offset` (2,) is the turn's shift in IPD."""
        self.canvas, self.face, self.eye, self.offset = canvas, face, eye, offset
        upper, lower = (canvas.to_px(np.stack([eye.x, y], 1) + offset) for y in (eye.upper, eye.lower))
        pad = int(0.18 * canvas.scale)
        top = min(float(upper[:, 1].min()), float(canvas.to_px((0, -0.12))[1]))
        x0, y0 = max(0, int(upper[:, 0].min()) - pad), max(0, int(top) - pad)
        self.patch = image[y0 : int(lower[:, 1].max()) + pad, x0 : int(upper[:, 0].max()) + pad]
        self.corner = np.array([x0, y0], np.float32)
        self.upper, self.lower = upper - self.corner, lower - self.corner
        # the light on the eye is that of the skin below it, by its ratio to the unlit skin colour
        rows = max(2, pad // 3)
        light = np.clip(self.patch[-rows:].reshape(-1, 3).mean(0) / face.skin_rgb(), 0.25, 1.15)
        self.light = float(light.mean())
        self.skin = self.patch[:rows].reshape(-1, 3).mean(0)

    def draw(self, gaze_x: float, gaze_y: float) -> None:
        """Crease, eyeball, iris, lid shadow, lashes; gaze in [-1, 1]."""
        scale = self.canvas.scale
        self._crease()
        fill(
            self.patch,
            np.concatenate([self.upper, self.lower[::-1]]),
            _tint((228, 222, 212), min(1, self.light * 0.95)),
        )
        self._iris(self.eye.centre_x + gaze_x * 0.05, -0.012 + gaze_y * 0.03)
        shadow = self.patch.copy()
        fill(shadow, np.concatenate([self.upper, (self.upper + (0, 0.035 * scale))[::-1]]), (25, 20, 20))
        cv2.addWeighted(shadow, 0.35, self.patch, 0.65, 0, self.patch)
        stroke(self.patch, self.upper, (24, 18, 18), 0.030 * scale * (1 + 0.4 * self.face.softness))
        stroke(self.patch, self.lower, _tint(self.skin, 0.55), 0.012 * scale)
        self._caruncle()

    def _px(self, x: float, y: float) -> np.ndarray:
        return self.canvas.to_px(np.array([x, y]) + self.offset) - self.corner

    def _crease(self) -> None:
        scale = self.canvas.scale
        layer = self.patch.copy()
        crease = self.canvas.to_px(np.stack([self.eye.x, self.eye.crease], 1) + self.offset) - self.corner
        stroke(layer, crease, _tint(self.skin, 0.55), 0.022 * scale)
        stroke(layer, self.lower + (0, 0.035 * scale), _tint(self.skin, 0.72), 0.02 * scale)
        cv2.addWeighted(layer, 0.75, self.patch, 0.25, 0, self.patch)

    def _iris(self, x: float, y: float) -> None:
        radius = self.face.iris_radius
        colour = IRIS_COLOURS[self.face.iris_colour] * min(1.1, self.light + 0.1)
        self._clipped_disc(x, y, radius, _tint(colour, 0.55))
        self._clipped_disc(x, y, radius * 0.84, _tint(colour, 1))
        self._clipped_disc(x, y, radius * 0.42, (12, 12, 12))
        glint_x, glint_y = x + 0.025 + 0.02 * self.face.light_x, y - 0.03
        if self.eye.opening > 0.05 and glint_y - 0.012 > np.interp(glint_x, self.eye.x, self.eye.upper):
            dot(self.patch, self._px(glint_x, glint_y), 0.016 * self.canvas.scale, (245, 245, 245))

    def _clipped_disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A disc cut by both lids."""
        at = np.linspace(x - radius, x + radius, 17)
        half = np.sqrt(np.maximum(radius**2 - (at - x) ** 2, 0))
        upper, lower = np.interp(at, self.eye.x, self.eye.upper), np.interp(at, self.eye.x, self.eye.lower)
        top, bottom = np.clip(y - half, upper, lower), np.clip(y + half, upper, lower)
        if (bottom - top).max() > 0.004:
            outline = np.stack([np.concatenate([at, at[::-1]]), np.concatenate([top, bottom[::-1]])], 1)
            fill(self.patch, self.canvas.to_px(outline + self.offset) - self.corner, colour)

    def _caruncle(self) -> None:
        sign = -1 if self.eye.side == 0 else 1
        inner = self.eye.upper[0] if sign > 0 else self.eye.upper[-1]
        centre = self._px(self.eye.centre_x - sign * self.face.eye_width * 0.93, float(inner) + 0.004)
        dot(self.patch, centre, 0.016 * self.canvas.scale, _tint((185, 120, 120), min(1, self.light)))


class MouthPen:
    """Draws the mouth into its patch of the image."""

    def __init__(self, image: np.ndarray, canvas: Canvas, face: FaceGeometry, mouth: Mouth, offset: np.ndarray) -> None:
        """Cut the patch of uint8 RGB `image` (S, S, 3) around the mouth; `offset` (2,) is the turn's shift in IPD."""
        self.canvas, self.face, self.mouth, self.offset = canvas, face, mouth, offset
        lines = (mouth.outer_upper, mouth.inner_upper, mouth.inner_lower, mouth.outer_lower)
        curves = [canvas.to_px(mouth.curve(line) + offset) for line in lines]
        # the lower lip never crosses the upper one, whatever the action units pull
        curves[2][:, 1] = np.maximum(curves[2][:, 1], curves[1][:, 1] + 0.1)
        everything = np.concatenate(curves)
        pad = int(0.12 * canvas.scale)
        low, high = everything.min(0).astype(int) - pad, everything.max(0).astype(int) + pad
        x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
        self.patch = image[y0 : int(high[1]), x0 : int(high[0])]
        self.corner = np.array([x0, y0], np.float32)
        self.outer_upper, self.inner_upper, self.inner_lower, self.outer_lower = (c - self.corner for c in curves)

    def draw(self, activation: np.ndarray) -> None:
        """Lips, and either the open mouth with teeth or the line between the lips, then the corners' shadows."""
        self._lips()
        skin = self.face.skin_rgb()
        light = float(np.clip(self.patch.reshape(-1, 3).mean() / skin.mean(), 0.3, 1.1))
        if self.mouth.gap > OPEN_GAP:
            self._opening(light)
        else:
            stroke(
                self.patch,
                self.inner_upper,
                _tint(skin * np.array([0.32, 0.22, 0.22]), light),
                0.030 * self.canvas.scale,
            )
        for side in (0, 1):
            self._corner_shadow(activation, side)
        # the skin around is smooth from the warp, so the drawn edges are softened to match
        self.patch[:] = cv2.GaussianBlur(self.patch, (3, 3), 0)

    def _lips(self) -> None:
        """Tint both lips by multiplication, so that skin texture and light stay."""
        scale, red = self.canvas.scale, 0.5 + 0.5 * self.face.lip_red
        upper, lower = np.zeros(self.patch.shape[:2], np.uint8), np.zeros(self.patch.shape[:2], np.uint8)
        fill(upper, np.concatenate([self.outer_upper, self.inner_upper[::-1]]), 255)
        fill(lower, np.concatenate([self.inner_lower, self.outer_lower[::-1]]), 255)
        upper, lower = cv2.GaussianBlur(upper, (0, 0), 0.014 * scale), cv2.GaussianBlur(lower, (0, 0), 0.018 * scale)
        upper_tint = (1 - np.array([0.20, 0.44, 0.36]) * red) * 0.92 - 1
        lower_tint = -np.array([0.06, 0.34, 0.26]) * red
        change = upper[..., None] * upper_tint.astype(np.float32) + lower[..., None] * lower_tint.astype(np.float32)
        # 128 stands for 1, so that OpenCV multiplies in 8 bits and keeps the skin's texture
        factor = np.clip(128 + change * np.float32(128 / 255), 0, 255).astype(np.uint8)
        cv2.multiply(self.patch, factor, self.patch, scale=1 / 128)

    def _opening(self, light: float) -> None:
        scale, gap = self.canvas.scale, self.mouth.gap
        fill(
            self.patch,
            np.concatenate([self.inner_upper, self.inner_lower[::-1]]),
            _tint((60, 22, 28), min(1, light + 0.1)),
        )
        if gap > 0.035:
            drop = min(0.085, 0.75 * gap) * scale * (1 - np.linspace(-1, 1, LIP_SAMPLES) ** 4)
            edge = np.minimum(self.inner_upper[:, 1] + drop, self.inner_lower[:, 1])
            middle = slice(4, LIP_SAMPLES - 4)
            teeth = np.stack([self.inner_upper[middle, 0], edge[middle]], 1)[::-1]
            fill(
                self.patch,
                np.concatenate([self.inner_upper[middle], teeth]),
                _tint((222, 214, 200), min(1, light * 0.95)),
            )
        stroke(self.patch, self.inner_upper, _tint((55, 25, 30), light), 0.016 * scale)
        stroke(self.patch, self.inner_lower, _tint((85, 42, 50), light), 0.012 * scale)

    def _corner_shadow(self, activation: np.ndarray, side: int) -> None:
        centre = self.canvas.to_px(self.mouth.corners[side] + self.offset) - self.corner
        radius = 0.022 + 0.02 * channel(activation, 14, side) + 0.012 * channel(activation, 12, side)
        layer = self.patch.copy()
        dot(layer, centre, radius * self.canvas.scale, _tint(self.face.skin_rgb(), 0.25))
        cv2.addWeighted(layer, 0.5, self.patch, 0.5, 0, self.patch)
