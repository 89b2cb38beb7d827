"""The relief of a face and how light falls on it."""

from dataclasses import dataclass

import cv2
import numpy as np

from fernas.synth.geometry import Canvas, FaceGeometry, bell, smoothstep


def height_field(face: FaceGeometry, canvas: Canvas) -> np.ndarray:
    """Height of the face above the image plane, float32 (S, S), in IPD."""
    x, y = canvas.grid()
    ax = np.abs(x)

    def bump(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        return bell((ax if cx else x) - cx, sx) * bell(y - cy, sy)

    width = face.jaw_half_width(y)
    z = 0.95 * np.sqrt(1 - np.minimum(ax / np.maximum(width, 1e-3), 0.999) ** 2.4) * (width / face.face_width) ** 0.6
    dx, brow, nose, mouth = face.eye_dx, face.brow_y, face.nose_y, face.mouth_y
    # brow ridge, sockets, eyeballs, tear troughs
    z += 0.055 * bump(dx * 0.9, brow + 0.03, 0.33, 0.10) - 0.105 * bump(dx * 0.93, -0.01, 0.26, 0.15)
    z += 0.055 * bump(dx, 0.01, 0.15, 0.085) - 0.06 * bump(0.2, -0.03, 0.09, 0.13)
    z -= 0.035 * bump(dx, 0.19, 0.22, 0.05) * (0.4 + face.age)
    # nose: ridge, tip, wings
    t = np.clip((y + 0.12) / (nose + 0.06), 0, 1)
    rise = smoothstep(-0.32, 0.02, y) * (1 - smoothstep(nose - 0.03, nose + 0.13, y))
    z += face.nose_height * (0.12 + 0.88 * t**1.35) * np.exp(-0.5 * (x / (face.nose_bridge + 0.06 * t**2)) ** 2) * rise
    z += 0.10 * bump(0, nose - 0.06, 0.10, 0.09)
    z += 0.13 * bump(face.nose_width * 0.86, nose - 0.01, 0.075, 0.085) - 0.05 * bump(
        face.nose_width * 1.35, nose - 0.02, 0.06, 0.12
    )
    # cheeks, muzzle, lips, chin
    z += face.cheek * bump(0.72, 0.42, 0.25, 0.22) - 0.04 * bump(0.72, 0.95, 0.22, 0.3)
    z += 0.06 * bump(0, mouth - 0.02, 0.42, 0.22) - 0.02 * bump(0, mouth - 0.2, 0.035, 0.1)
    z += 0.045 * bell(y - (mouth - face.lip_upper * 0.5), 0.05) * bell(x, 0.26)
    z += 0.06 * bell(y - (mouth + face.lip_lower * 0.55), 0.055) * bell(x, 0.22)
    z -= 0.05 * bump(0, mouth + face.lip_lower + 0.14, 0.28, 0.06)
    z += 0.09 * bump(0, face.chin_y - 0.27, 0.22, 0.16)
    z -= nasolabial_fold(face, x, y, 0.018 * (0.3 + face.age), 0.045)
    return z.astype(np.float32)


def nasolabial_fold(face: FaceGeometry, x: np.ndarray, y: np.ndarray, depth: float, width: float) -> np.ndarray:
    """The fold from the nose wings to the mouth corners: positive depth on the grid."""
    distance = np.abs(x) - (face.nose_width + 0.09 + (y - face.nose_y) * 0.55)
    reach = smoothstep(face.nose_y - 0.15, face.nose_y + 0.05, y) * (
        1 - smoothstep(face.mouth_y - 0.1, face.mouth_y + 0.12, y)
    )
    return depth * bell(distance, width) * reach


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with `sigma` in pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


@dataclass(frozen=True)
class Light:
    """One distant light; `direction` is a unit vector towards it, z towards the camera."""

    direction: np.ndarray

    @classmethod
    def of(cls, face: FaceGeometry) -> "Light":
        """The light of a face's own scene."""
        direction = np.array([face.light_x, face.light_y, 1.0])
        return cls(direction / np.linalg.norm(direction))

    def on(self, height: np.ndarray, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
        """(normal . light, normal . half vector) on a height field, each float32 (S, S)."""
        # a 3 x 3 Sobel sums to 8 times the slope per pixel
        zx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=canvas.scale / 8)
        zy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=canvas.scale / 8)
        inverse = 1 / np.sqrt(1 + zx * zx + zy * zy)
        # Blinn-Phong: highlights by the vector halfway between light and camera
        half = self.direction + np.array([0, 0, 1.0])
        diffuse, glossy = (
            ((-zx * np.float32(v[0]) - zy * np.float32(v[1]) + np.float32(v[2])) * inverse).astype(np.float32)
            for v in (self.direction, half / np.linalg.norm(half))
        )
        return diffuse, glossy


@dataclass(frozen=True)
class Shading:
    """What light does to the neutral face: float32 (S, S) each; `relief` is the smoothed height field."""

    relief: np.ndarray
    diffuse: np.ndarray
    gloss: np.ndarray
    shade: np.ndarray
    occlusion: np.ndarray


def shade_face(face: FaceGeometry, canvas: Canvas, height: np.ndarray) -> Shading:
    """Lambert shading, cavity occlusion, highlights and the soft cast shadows of nose and lids."""
    x, y = canvas.grid()
    relief = blur(height, 0.012 * canvas.scale)
    diffuse, glossy = Light.of(face).on(relief, canvas)
    cavity = blur(relief, 0.10 * canvas.scale) - relief
    occlusion = np.clip(1 - 3.2 * np.maximum(cavity, 0) - 0.5 * np.minimum(cavity, 0), 0.45, 1.1)
    shade = (face.ambient + (1.04 - face.ambient) * np.maximum(diffuse, 0) ** 1.1) * occlusion
    # the shadow of the nose falls away from the light
    shade *= 1 - 0.30 * bell(x + face.light_x * 0.18, face.nose_width * 0.95) * bell(y - face.nose_y - 0.13, 0.055)
    shade *= 1 - 0.22 * bell(np.abs(x) - face.eye_dx, 0.22) * bell(y + 0.12, 0.07)
    return Shading(relief, diffuse, np.maximum(glossy, 0) ** 28, shade, occlusion)
