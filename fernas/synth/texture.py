"""The still image of an identity: skin, brows, hair, neck, shirt and ears, as one RGBA canvas without eyes and mouth.

Every random stream has its own name and takes a fixed number of draws on grids of fixed size, so that neither the
canvas nor a face's features shift another stream.
"""

import cv2
import numpy as np

from fernas.core import seeds
from fernas.synth import geometry
from fernas.synth.geometry import Canvas, FaceGeometry, bell, smoothstep
from fernas.synth.surface import Shading, blur

GRAIN_PX = 256
N_STROKES = 240
N_FRECKLES = 90
N_MOLES = 3
# fractional bits of OpenCV's fixed-point coordinates, hence the factors of 16 below
SUBPIXEL = 4


def value_noise(rng: np.random.Generator, size: int, octaves: list[tuple[int, float]]) -> np.ndarray:
    """Smooth noise of about unit variance per octave, float32 (size, size); octaves are (cells, weight)."""
    out = np.zeros((size, size), np.float32)
    for cells, weight in octaves:
        grid = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
        out += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return out


class Layers:
    """RGB float32 (S, S, 3) with coverage (S, S), painted over from back to front."""

    def __init__(self, size: int) -> None:
        """Start with nothing painted."""
        self.rgb = np.zeros((size, size, 3), np.float32)
        self.cover = np.zeros((size, size), np.float32)

    def over(self, colour: np.ndarray, alpha: np.ndarray) -> None:
        """Paint `colour` (broadcastable to (S, S, 3)) with coverage `alpha` (S, S)."""
        alpha = alpha.astype(np.float32)
        self.rgb = self.rgb * (1 - alpha[..., None]) + colour.astype(np.float32) * alpha[..., None]
        # "over" of Porter and Duff
        self.cover = self.cover + alpha - self.cover * alpha

    def rgba(self) -> np.ndarray:
        """The image as uint8 (S, S, 4)."""
        return np.ascontiguousarray(np.dstack([np.clip(self.rgb, 0, 255), self.cover * 255]).astype(np.uint8))


def paint_identity(seed: int, face: FaceGeometry, canvas: Canvas, shading: Shading) -> np.ndarray:
    """The RGBA canvas of an identity, uint8 (S, S, 4)."""
    x, y = canvas.grid()
    layers = Layers(canvas.size_px)
    blotches = _blotches(seed, canvas.size_px)
    skin = _skin_albedo(seed, face, canvas, blotches)
    hair = _Hair(seed, face, canvas)
    hair.paint_behind(layers)
    _paint_neck(layers, face, x, y, skin)
    _paint_shirt(layers, seed, x, y, blotches)
    if face.hair_style != geometry.LONG:
        _paint_ears(layers, face, x, y, skin)
    hair.paint_back(layers)
    contour = np.where(face.jaw_half_width(y) > 0.03, np.abs(x) - face.jaw_half_width(y), 1.0)
    # a soft edge of the contour stands for anti-aliasing
    cover = 1 - smoothstep(-0.012, 0.012, contour)
    layers.over(_lit_skin(seed, face, canvas, shading, skin), cover)
    hair.paint_front(layers, cover)
    return layers.rgba()


def _blotches(seed: int, size: int) -> np.ndarray:
    rng = seeds.rng(seed, "skin")
    fine = blur(rng.standard_normal((GRAIN_PX, GRAIN_PX)).astype(np.float32), 0.9) * 0.03
    fine = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA if size < GRAIN_PX else cv2.INTER_LINEAR)
    return value_noise(rng, size, [(6, 0.02), (14, 0.015), (40, 0.012)]) + fine


def _skin_albedo(seed: int, face: FaceGeometry, canvas: Canvas, blotches: np.ndarray) -> np.ndarray:
    """Skin colour before light, float32 (S, S, 3)."""
    x, y = canvas.grid()
    ax = np.abs(x)
    albedo = face.skin_rgb() * (1 + blotches)[..., None]
    rng = seeds.rng(seed, "marks")
    blush = (
        bell(ax - 0.66, 0.22) * bell(y - 0.5, 0.2) + 0.8 * bell(x, 0.12) * bell(y - face.nose_y + 0.03, 0.1)
    ) * rng.uniform(0.03, 0.13)
    albedo *= 1 - blush[..., None] * np.array([0.1, 0.8, 1.0])
    lids = 0.10 * face.lid_shadow * bell(ax - face.eye_dx, 0.24) * bell(y + 0.06, 0.11)
    albedo *= 1 - lids[..., None] * np.array([1, 1, 0.8])
    albedo = _add_stubble(albedo, face, x, y, seeds.rng(seed, "stubble"))
    albedo = _add_freckles(albedo, face, canvas, seeds.rng(seed, "freckles"))
    return _add_moles(albedo, canvas, rng).astype(np.float32)


def _add_stubble(
    albedo: np.ndarray, face: FaceGeometry, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    # drawn before the test below, as the number of draws must not depend on the face
    grain = rng.random((GRAIN_PX, GRAIN_PX)).astype(np.float32)
    if face.stubble <= 0.05 or face.softness >= 0.5:
        return albedo
    grain = cv2.resize(grain, x.shape[::-1], interpolation=cv2.INTER_AREA)
    beard = smoothstep(0.75, 1.25, y + 0.25 * np.abs(x)) * smoothstep(0.1, 0.5, np.abs(x) + y * 0.45)
    beard = beard * (1 - 0.75 * bell(x, 0.35) * bell(y - face.mouth_y, 0.1))
    amount = (min(face.stubble, 0.6) * beard * (0.75 + 0.5 * grain))[..., None]
    return albedo * (1 - amount) + geometry.HAIR_COLOURS[face.hair_colour] * 0.9 * amount


def _add_freckles(albedo: np.ndarray, face: FaceGeometry, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    spots = np.column_stack(
        [rng.normal(0, 0.55, N_FRECKLES), rng.normal(0.45, 0.22, N_FRECKLES), rng.uniform(0.1, 0.35, N_FRECKLES)]
    )
    count = min(N_FRECKLES, int(60 * face.freckles)) if face.freckles > 0.05 else 0
    if not count:
        return albedo
    layer = np.zeros(albedo.shape[:2], np.float32)
    for (px, py), strength in zip(canvas.to_px(spots[:count, :2]), spots[:count, 2], strict=True):
        centre = (int(px * 16), int(py * 16))
        cv2.circle(layer, centre, int(0.018 * canvas.scale * 16), float(strength), -1, cv2.LINE_8, SUBPIXEL)
    return albedo * (1 - blur(layer, 0.014 * canvas.scale)[..., None] * np.array([0.6, 0.9, 1.0]))


def _add_moles(albedo: np.ndarray, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    spots = np.column_stack([rng.uniform(-0.8, 0.8, N_MOLES), rng.uniform(-0.7, 1.5, N_MOLES)])
    for px, py in canvas.to_px(spots[: int(rng.integers(0, N_MOLES + 1))]):
        mask = np.zeros(albedo.shape[:2], np.uint8)
        cv2.circle(mask, (int(px * 16), int(py * 16)), int(0.025 * canvas.scale * 16), 150, -1, cv2.LINE_AA, SUBPIXEL)
        albedo = albedo * (1 - 0.6 * cv2.GaussianBlur(mask, (3, 3), 0)[..., None] / 255.0)
    return albedo


def _lit_skin(seed: int, face: FaceGeometry, canvas: Canvas, shading: Shading, albedo: np.ndarray) -> np.ndarray:
    """The face's skin under its light, with nostrils and brows, float32 (S, S, 3)."""
    gloss = 255 * shading.gloss * 0.10 * (1.2 - face.skin_tone / 10) * shading.occlusion
    colour = albedo * shading.shade[..., None] + gloss[..., None]
    skin = face.skin_rgb()
    nostrils = _nostril_mask(face, canvas)[..., None]
    colour = colour * (1 - nostrils) + nostrils * skin * np.array([0.22, 0.15, 0.13])
    brows = _brow_mask(seed, face, canvas)[..., None]
    brow_colour = np.minimum(geometry.HAIR_COLOURS[face.hair_colour] * 0.6, skin * 0.5)
    return colour * (1 - brows) + brow_colour * brows * (0.6 + 0.4 * shading.shade[..., None])


def _nostril_mask(face: FaceGeometry, canvas: Canvas) -> np.ndarray:
    mask = np.zeros((canvas.size_px, canvas.size_px), np.uint8)
    axes = (int(0.062 * canvas.scale * 16), int(0.030 * canvas.scale * 16))
    for side in (-1, 1):
        px, py = canvas.to_px((side * face.nose_width * 0.45, face.nose_y + 0.045))
        cv2.ellipse(mask, (int(px * 16), int(py * 16)), axes, side * -18, 0, 360, 225, -1, cv2.LINE_AA, SUBPIXEL)
    return blur(mask, 0.018 * canvas.scale).astype(np.float32) / 255


def _brow_mask(seed: int, face: FaceGeometry, canvas: Canvas) -> np.ndarray:
    """Two bundles of short hairs."""
    draws = seeds.rng(seed, "brows")
    share, height = draws.uniform(0, 1, (2, N_STROKES)), draws.uniform(-0.5, 0.5, (2, N_STROKES))
    angle = np.deg2rad(-65 + 75 * np.minimum(1, share * 1.6) + draws.normal(0, 9, (2, N_STROKES)))
    thickness = face.brow_thickness * (1 - 0.65 * share**2.2) * (0.65 + 0.35 * np.minimum(1, share * 6))
    x, y = face.brow_x(share), face.brow_height(share) + height * thickness
    mask = np.zeros((canvas.size_px, canvas.size_px), np.uint8)
    # a small canvas needs fewer hairs to look as dense
    count = min(N_STROKES, int(170 * (canvas.size_px / 256) ** 0.5))
    width = max(1, round(0.022 * canvas.scale))
    for row, side in enumerate((-1, 1)):
        root = canvas.to_px(np.stack([side * x[row], y[row]], 1))
        tip = canvas.to_px(
            np.stack([side * (x[row] + 0.075 * np.cos(angle[row])), y[row] + 0.0375 * np.sin(angle[row])], 1)
        )
        strokes = (np.stack([root, tip], 1)[:count] * 16).astype(np.int32)
        for start, end in strokes.tolist():
            cv2.line(mask, start, end, int(255 * face.brow_density), width, cv2.LINE_AA, SUBPIXEL)
    return blur(mask, 0.014 * canvas.scale).astype(np.float32) / 255


def _paint_neck(layers: Layers, face: FaceGeometry, x: np.ndarray, y: np.ndarray, skin: np.ndarray) -> None:
    ax = np.abs(x)
    width = 0.62 + 0.12 * (1 - face.softness) + 0.25 * smoothstep(1.9, 2.5, y)
    shade = (0.42 + 0.35 * smoothstep(0.0, 0.75, y - face.chin_y + 0.35)) * np.clip(1 - 0.35 * (ax / 0.8) ** 2, 0.3, 1)
    shade = shade * (1 + 0.3 * face.light_x * x)
    layers.over(skin * shade[..., None], (1 - smoothstep(-0.02, 0.02, ax - width)) * (y > 0.8))


def _paint_shirt(layers: Layers, seed: int, x: np.ndarray, y: np.ndarray, blotches: np.ndarray) -> None:
    colour = seeds.rng(seed, "shirt").uniform(20, 220, 3)
    ax = np.abs(x)
    collar = 2.12 + 0.25 * np.maximum(ax - 0.5, 0) ** 1.3 + 0.16 * np.exp(-((ax / 0.45) ** 2))
    cloth = colour * ((0.8 + 0.2 * np.cos(x * 1.2)) * (1 + 0.1 * blotches))[..., None]
    layers.over(cloth, smoothstep(-0.02, 0.02, y - collar))


def _paint_ears(layers: Layers, face: FaceGeometry, x: np.ndarray, y: np.ndarray, skin: np.ndarray) -> None:
    for side in (-1, 1):
        rim = np.hypot((x - side * (face.face_width + 0.02)) / 0.13, (y - 0.22) / 0.30)
        hollow = bell(np.hypot((x - side * (face.face_width + 0.05)) / 0.04, (y - 0.2) / 0.16), 1.0)
        shade = (0.72 + 0.12 * side * face.light_x) * (1 - 0.35 * hollow)
        layers.over(skin * shade[..., None], 1 - smoothstep(0.9, 1.05, rim))


class _Hair:
    """Hair of an identity: colour, outline and hairline."""

    VOLUME = {
        geometry.BALD: 0.02, geometry.SHORT: 0.12, geometry.SIDE_PART: 0.16, geometry.FRINGE: 0.17, geometry.LONG: 0.20,
    }  # fmt: skip

    def __init__(self, seed: int, face: FaceGeometry, canvas: Canvas) -> None:
        self.face, self.style = face, face.hair_style
        self.x, self.y = canvas.grid()
        self.ax = np.abs(self.x)
        rng = seeds.rng(seed, "hair")
        coarse, fine = (
            rng.standard_normal((6, 60)).astype(np.float32),
            rng.standard_normal((10, 150)).astype(np.float32),
        )
        # hair is noise in polar coordinates: it runs from the parting
        strands = cv2.resize(fine, (512, 256), interpolation=cv2.INTER_CUBIC) + 0.7 * cv2.resize(
            coarse, (512, 256), interpolation=cv2.INTER_CUBIC
        )
        parting, extra, length, part_side = (
            rng.uniform(-0.5, 0.5), rng.uniform(0, 0.05), rng.uniform(1.3, 2.4), rng.standard_normal(),
        )  # fmt: skip
        self.wave = 0.03 * value_noise(rng, canvas.size_px, [(9, 1.0)])
        ripple, patches = value_noise(rng, canvas.size_px, [(6, 1.0)]), value_noise(rng, canvas.size_px, [(7, 1.0)])
        self.length, self.part_side = length, float(np.sign(part_side))
        self.volume = self.VOLUME[self.style] + extra
        self.colour = self._colour(strands, parting, ripple, patches)
        width = (face.face_width + self.volume * 0.8) * np.sqrt(
            np.clip(1 - np.clip(-self.y / (face.top + self.volume), 0, 1) ** 2.3, 0, None)
        )
        # negative above the head, where no hair may appear
        self.half_width = np.where(width > 0.03, width, -1.0)
        self.inside = 1 - smoothstep(-0.03, 0.03, self.ax - self.half_width + self.wave)

    def _colour(self, strands: np.ndarray, parting: float, ripple: np.ndarray, patches: np.ndarray) -> np.ndarray:
        x, y = self.x, self.y
        if self.style in (geometry.SHORT, geometry.FRINGE):
            angle = np.arctan2(x - parting * np.clip(-y, 0, 1), np.maximum(0.3, 1.9 + np.minimum(y, 0)))
        else:
            angle = np.arctan2(x - parting, -(y + 1.0) + 0.3)
        along = np.clip(np.hypot(x - parting, y + 1.2) / 4 + 0.03 * ripple, 0, 1) * 255
        strand = cv2.remap(
            strands, ((angle / np.pi * 0.5 + 0.5) * 511).astype(np.float32), along.astype(np.float32), cv2.INTER_LINEAR
        )
        shine = 0.75 + 0.5 * bell(y + 1.25, 0.22) * (0.5 + 0.5 * np.cos(2.2 * (x - self.face.light_x)))
        return (
            geometry.HAIR_COLOURS[self.face.hair_colour]
            * (np.clip(1 + 0.20 * strand + 0.08 * patches, 0.3, 2) * shine)[..., None]
        )

    def paint_behind(self, layers: Layers) -> None:
        """Long hair behind neck and shoulders."""
        if self.style == geometry.LONG:
            edge = self.ax - (self.half_width + 0.12 * smoothstep(0, 1, self.y)) + self.wave
            fall = 1 - smoothstep(self.length - 0.1, self.length, self.y + 3 * self.wave)
            layers.over(
                self.colour * 0.75, (1 - smoothstep(-0.03, 0.03, edge)) * (self.y > -self.face.top - self.volume) * fall
            )

    def paint_back(self, layers: Layers) -> None:
        """The hair beside and above the face, behind it."""
        if self.style != geometry.BALD:
            low = 0.25 if self.style == geometry.LONG else 0.0
            fall = 1 - smoothstep(low - 0.15, low + 0.05, self.y + self.wave)
            layers.over(self.colour, self.inside * fall * (self.y > -self.face.top - self.volume - 0.05))

    def paint_front(self, layers: Layers, face_cover: np.ndarray) -> None:
        """The hair over the forehead, with its shadow; a shaved head gets a shade of its colour."""
        face = self.face
        if self.style == geometry.BALD:
            if face.hair_colour < len(geometry.HAIR_COLOURS) - 1:
                shaved = smoothstep(0, 0.15, -(self.y - (face.hairline + 0.275 * self.ax**2)) + self.wave)
                layers.over(geometry.HAIR_COLOURS[face.hair_colour] * 0.9, 0.35 * shaved * face_cover)
            return
        line = self._hairline()
        shadow = 0.25 * smoothstep(-0.02, 0.16, line + 0.10 - self.y) * face_cover
        layers.rgb = layers.rgb * (1 - shadow[..., None])
        front = smoothstep(-0.03, 0.05, line + 0.5 * self.wave - self.y) * (self.ax < 1.6)
        layers.over(self.colour, self.inside * front * (self.y > -face.top - self.volume))

    def _hairline(self) -> np.ndarray:
        base, ax = self.face.hairline, self.ax
        if self.style == geometry.LONG:
            return base - 0.12 + 0.75 * ax**2.2
        if self.style == geometry.SHORT:
            line = base + 0.42 * ax**3
        elif self.style == geometry.SIDE_PART:
            line = base - 0.05 + 0.22 * (self.x + 0.5) * self.part_side + 0.40 * ax**3
        else:
            line = base + 0.33 + 0.03 * np.cos(self.x * 9) + 0.15 * ax**4
        return np.minimum(line, -0.02)
