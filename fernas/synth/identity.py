"""An identity: everything about one synthetic subject that stays the same over frames, computed once."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fernas.synth.action_units import Expressivity, sample_expressivity
from fernas.synth.deformation import MEAN_HEIGHT, Deformation, build_deformation, displacement_basis
from fernas.synth.geometry import CANVAS_PX, Canvas, FaceGeometry, sample_geometry
from fernas.synth.landmarks import neutral_skin_landmarks
from fernas.synth.surface import height_field, shade_face
from fernas.synth.texture import paint_identity


@dataclass(frozen=True, eq=False)
class Identity:
    """One synthetic subject.

    Attributes:
        seed: the seed it grows from.
        face: its geometry.
        expressivity: how it shows action units.
        canvas: the grid it is drawn on.
        rgba: uint8 (S, S, 4), the neutral head without eyes and mouth.
        deformation: the linear maps from activations to flow and shading.
        skin_points: float32 (36, 2) jaw, brow and nose landmarks, IPD.
        skin_moves: float32 (channels, 36, 2), their displacement per channel, IPD.
        point_heights: float32 (68,), height of each landmark over the turning axis, IPD.
    """

    seed: int
    face: FaceGeometry
    expressivity: Expressivity
    canvas: Canvas
    rgba: np.ndarray
    deformation: Deformation
    skin_points: np.ndarray
    skin_moves: np.ndarray
    point_heights: np.ndarray


def build_identity(seed: int, canvas_px: int = CANVAS_PX, variety: float = 1.0, **changes: Any) -> Identity:
    """Make the subject of a seed; variety as in `sample_geometry`, `changes` replace numbers of its geometry."""
    canvas = Canvas(canvas_px)
    face = sample_geometry(seed, variety)._replace(**changes)
    height = height_field(face, canvas)
    shading = shade_face(face, canvas, height)
    points = neutral_skin_landmarks(face)
    # every point of an eye or of the mouth turns with the height at the centre of it
    anchors = np.concatenate([points, [(-face.eye_dx, 0)] * 6, [(face.eye_dx, 0)] * 6, [(0, face.mouth_y)] * 20])
    pixels = np.clip(canvas.to_px(anchors).astype(int), 0, canvas_px - 1)
    return Identity(
        seed=seed, face=face, expressivity=sample_expressivity(seed), canvas=canvas,
        rgba=paint_identity(seed, face, canvas, shading), deformation=build_deformation(face, canvas, height, shading),
        skin_points=points, skin_moves=displacement_basis(face, points[:, 0], points[:, 1]),
        point_heights=(height[pixels[:, 1], pixels[:, 0]] - MEAN_HEIGHT).astype(np.float32),
    )  # fmt: skip


# building one takes about 0.2 s, a frame some milliseconds; clips come subject by subject
@functools.lru_cache(maxsize=32)
def cached_identity(seed: int, canvas_px: int = CANVAS_PX, variety: float = 1.0) -> Identity:
    """`build_identity`, remembering the last few."""
    return build_identity(seed, canvas_px, variety)
