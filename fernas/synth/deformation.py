"""What action units do to the skin: a flow of the image and a change of its shading, each linear in the activation.

Sums run row by row in numpy rather than through a matrix product: images do not depend on BLAS or its threads.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from fernas.synth.action_units import ACTION_UNITS, INDEX, N_CHANNELS
from fernas.synth.geometry import Canvas, FaceGeometry, bell, smoothstep
from fernas.synth.surface import Light, Shading, blur, nasolabial_fold

# pulls are wide Gaussians, so a coarse grid holds their flow; wrinkles need a finer one
FLOW_PX = 64
WRINKLE_PX = 128
MEAN_HEIGHT = 0.55
"""Height (IPD) of the head's turning axis: what lies on it does not move when the head turns."""

Pull = tuple[float, float, float, float, float, float]


def pulls(face: FaceGeometry) -> dict[int, list[Pull]]:
    """Unit -> Gaussian displacements (x, y, dx, dy, width x, width y) of the right half of the image, in IPD."""
    brow, mouth, corner, nose, chin = face.brow_y, face.mouth_y, face.mouth_width, face.nose_y, face.chin_y
    return {
        1: [(0.26, brow, 0, -0.17, 0.20, 0.26), (0.2, brow - 0.4, 0, -0.05, 0.3, 0.25)],
        2: [(0.76, brow, 0, -0.16, 0.24, 0.26), (0.6, brow - 0.4, 0, -0.04, 0.3, 0.25)],
        4: [(0.24, brow, -0.08, 0.13, 0.24, 0.22), (0.62, brow, -0.03, 0.07, 0.25, 0.2)],
        5: [(0.5, -0.12, 0, -0.02, 0.25, 0.10)],
        6: [(0.62, 0.40, 0.01, -0.10, 0.26, 0.24), (0.85, 0.1, -0.02, -0.02, 0.15, 0.2)],
        7: [(0.5, 0.13, 0, -0.03, 0.25, 0.10)],
        9: [
            (0.16, nose - 0.08, 0.01, -0.10, 0.16, 0.22),
            (0.1, nose - 0.45, 0, -0.05, 0.15, 0.2),
            (0.22, brow, -0.04, 0.09, 0.2, 0.2),
            (0.35, 0.45, 0, -0.06, 0.2, 0.2),
        ],
        10: [(0.25, mouth - 0.2, 0, -0.07, 0.25, 0.16), (0.2, nose, 0.02, -0.03, 0.12, 0.12)],
        12: [
            (corner, mouth, 0.13, -0.13, 0.22, 0.24),
            (0.62, 0.55, 0.04, -0.07, 0.25, 0.25),
            (0.2, nose, 0.04, -0.01, 0.1, 0.12),
        ],
        14: [(corner, mouth, 0.07, -0.03, 0.14, 0.16)],
        15: [(corner, mouth, 0.02, 0.13, 0.20, 0.22), (corner, mouth + 0.3, 0, 0.05, 0.2, 0.2)],
        16: [(0.15, mouth + 0.2, 0, 0.06, 0.3, 0.15)],
        17: [(0.0, chin - 0.35, 0, -0.05, 0.3, 0.2), (0.0, mouth + 0.2, 0, -0.05, 0.3, 0.16)],
        20: [(corner, mouth, 0.15, 0.05, 0.22, 0.25), (0.55, mouth + 0.35, 0.06, 0.04, 0.3, 0.3)],
        23: [(corner, mouth, -0.05, 0, 0.2, 0.2)],
        24: [],
        25: [(0.0, mouth + 0.2, 0, 0.03, 0.4, 0.2)],
        26: [(0.0, chin - 0.05, 0, 0.13, 0.55, 0.42), (0.5, chin - 0.2, -0.01, 0.11, 0.45, 0.45)],
        43: [],
    }


def displacement_basis(face: FaceGeometry, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Displacement of points per channel, float32 (N_CHANNELS, ..., 2) in IPD; it fades out on neck and shirt."""
    basis = np.zeros((N_CHANNELS, *x.shape, 2), np.float32)
    fade = 1 - smoothstep(face.chin_y + 0.12, face.chin_y + 0.42, y)
    for unit, rows in pulls(face).items():
        for side, sign in enumerate((-1, 1)):
            out = basis[2 * INDEX[unit] + side]
            for cx, cy, dx, dy, sx, sy in rows:
                # a pull on the midline belongs half to either side
                weight = bell(x - sign * cx, sx) * bell(y - cy, sy) * (0.5 if cx == 0 else 1.0) * fade
                out[..., 0] += sign * dx * weight
                out[..., 1] += dy * weight
    return basis


def wrinkle_heights(face: FaceGeometry, x: np.ndarray, y: np.ndarray) -> dict[int, np.ndarray]:
    """Unit -> change of the height field at full strength, both sides, in IPD on the grid."""
    ax = np.abs(x)
    brow, nose, mouth, corner, chin = face.brow_y, face.nose_y, face.mouth_y, face.mouth_width, face.chin_y
    fold = functools.partial(nasolabial_fold, face, x, y)
    forehead = -0.014 * sum(bell(y - (brow - dy + 0.03 * np.cos(x * 3)), 0.022) for dy in (0.28, 0.42, 0.56))
    crows = (
        -0.013
        * sum(bell((y - 0.02 + k * 0.10) + (ax - 0.8) * 0.45 * k, 0.018) for k in (-1, 0, 1))
        * bell(ax - 0.93, 0.09)
    )
    frown = -0.022 * bell(ax - 0.075 - 0.05 * (y - brow), 0.022) * bell(y - brow - 0.02, 0.13)
    bridge = -0.016 * sum(bell(y - y0 - 0.25 * ax, 0.02) for y0 in (0.05, 0.15, 0.25)) * bell(ax, 0.14)
    dimples = 0.006 * np.sin(x * 60) * np.sin(y * 55) * bell(x, 0.17) * bell(y - chin + 0.3, 0.1)
    return {
        1: forehead * bell(x, 0.36),
        2: forehead * bell(ax - 0.62, 0.25),
        4: frown + 0.02 * bell(ax - 0.2, 0.09) * bell(y - brow, 0.09) - 0.010 * bell(y + 0.12, 0.025) * bell(x, 0.1),
        6: crows
        + 0.045 * bell(ax - 0.62, 0.22) * bell(y - 0.36, 0.12)
        - 0.018 * bell(y - (0.17 + 0.1 * (ax - 0.5) ** 2), 0.022) * bell(ax - 0.5, 0.2),
        7: (0.012 * bell(y - 0.10, 0.02) - 0.012 * bell(y - 0.14, 0.02)) * bell(ax - 0.5, 0.18),
        9: bridge
        - 0.028 * bell(ax - face.nose_width - 0.05, 0.03) * bell(y - nose + 0.1, 0.12)
        + 0.03 * bell(ax - 0.28, 0.1) * bell(y - 0.5, 0.12),
        10: -fold(0.035, 0.035) + 0.02 * bell(ax - 0.3, 0.12) * bell(y - mouth + 0.25, 0.08),
        12: -fold(0.055, 0.040)
        + 0.05 * bell(ax - 0.62, 0.2) * bell(y - 0.62, 0.16)
        - 0.02 * bell(ax - corner - 0.14, 0.03) * bell(y - mouth + 0.06, 0.08),
        14: -0.045 * bell(ax - corner - 0.10, 0.032) * bell(y - mouth + 0.01, 0.085)
        + 0.02 * bell(ax - corner - 0.2, 0.06) * bell(y - mouth, 0.1),
        15: -0.028 * bell(ax - corner - 0.05 - 0.3 * (y - mouth - 0.15), 0.03) * bell(y - mouth - 0.15, 0.09)
        + 0.01 * bell(x, 0.2) * bell(y - chin + 0.3, 0.1),
        16: -0.02 * bell(x, 0.25) * bell(y - mouth - 0.28, 0.04),
        17: 0.04 * bell(x, 0.17) * bell(y - chin + 0.32, 0.12)
        - 0.03 * bell(x, 0.22) * bell(y - mouth - 0.30, 0.03)
        + dimples,
        20: -0.02 * bell(ax - corner - 0.22 - 0.2 * (y - mouth), 0.03) * bell(y - mouth, 0.2),
        23: -0.012 * (bell(y - mouth + 0.16, 0.02) + bell(y - mouth - 0.2, 0.025)) * bell(x, 0.25),
        24: 0.02 * bell(x, 0.4) * (bell(y - mouth + 0.17, 0.04) + bell(y - mouth - 0.2, 0.05)),
    }


def wrinkle_basis(face: FaceGeometry, canvas: Canvas, shading: Shading) -> dict[int, np.ndarray]:
    """Channel -> relative change of brightness at full strength, float32 (WRINKLE_PX, WRINKLE_PX), where any."""
    x, y = canvas.grid()
    # older skin wrinkles more
    light, age = Light.of(face), 0.6 + 0.6 * face.age
    halves = (1 - smoothstep(-0.08, 0.08, x), smoothstep(-0.08, 0.08, x))
    # the ambient share keeps the ratio finite in the shadow
    reference = np.maximum(shading.diffuse, 0.15) + 0.35
    basis = {}
    for unit, change in wrinkle_heights(face, x, y).items():
        change = blur((change * age).astype(np.float32), 0.012 * canvas.scale)
        diffuse, _ = light.on(shading.relief + change, canvas)
        # ambient occlusion: what lies below its surroundings gets less light
        cavity = blur(change, 0.06 * canvas.scale) - change
        relative = np.clip((diffuse - shading.diffuse) / reference - 5.0 * np.maximum(cavity, 0), -0.55, 0.35)
        for side, half in enumerate(halves):
            small = cv2.resize(
                (relative * half).astype(np.float32), (WRINKLE_PX, WRINKLE_PX), interpolation=cv2.INTER_AREA
            )
            basis[2 * INDEX[unit] + side] = small
    return basis


@dataclass(frozen=True)
class Deformation:
    """The linear maps of one identity.

    flow: channel -> float32 (FLOW_PX, FLOW_PX, 2), where each point comes from, relative, canvas px.
    turn: float32 (2, FLOW_PX, FLOW_PX, 2), the same for one unit of yaw and of pitch (parallax by height).
    wrinkles: see `wrinkle_basis`.
    """

    flow: dict[int, np.ndarray]
    turn: np.ndarray
    wrinkles: dict[int, np.ndarray]

    def flow_at(self, activation: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
        """The backward flow for an activation (N_CHANNELS,) and head turn, float32 (FLOW_PX, FLOW_PX, 2), canvas px."""
        total = np.float32(yaw) * self.turn[0] + np.float32(pitch) * self.turn[1]
        for i, field in self.flow.items():
            if activation[i]:
                total += activation[i] * field
        return total

    def wrinkles_at(self, activation: np.ndarray) -> np.ndarray | None:
        """The relative change of brightness, float32 (WRINKLE_PX, WRINKLE_PX), or None where nothing changes."""
        total = None
        for i, field in self.wrinkles.items():
            if activation[i]:
                total = activation[i] * field if total is None else total + activation[i] * field
        return total


def build_deformation(face: FaceGeometry, canvas: Canvas, height: np.ndarray, shading: Shading) -> Deformation:
    """The linear maps of an identity from its geometry, height field and shading."""
    x, y = canvas.grid(FLOW_PX)
    # remap asks where a pixel comes from, so the displacement is negated
    backward = np.float32(-canvas.scale)
    moves = displacement_basis(face, x, y) * backward
    flow = {i: moves[i] for i in range(2 * len(ACTION_UNITS)) if moves[i].any()}
    lift = (cv2.resize(height, (FLOW_PX, FLOW_PX), interpolation=cv2.INTER_AREA) - MEAN_HEIGHT) * backward
    turn = np.zeros((2, FLOW_PX, FLOW_PX, 2), np.float32)
    turn[0, ..., 0], turn[1, ..., 1] = lift, lift
    return Deformation(flow, turn, wrinkle_basis(face, canvas, shading))
