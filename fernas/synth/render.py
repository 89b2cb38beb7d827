"""One frame: an identity with an activation under a camera, on its background, with the sensor's noise."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fernas.core import seeds
from fernas.synth.identity import Identity
from fernas.synth.landmarks import SKIN_POINTS
from fernas.synth.pens import EyePen, MouthPen
from fernas.synth.shapes import eye, mouth
from fernas.synth.texture import value_noise

NOISE_MARGIN = 67
MAX_TURN = 0.35
"""Largest yaw or pitch: heads turn by parallax only, nothing hides behind the nose."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run OpenCV on one thread inside (frames are small; pools of threads only cost)."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@dataclass(frozen=True)
class Camera:
    """Size of the image, pupil distance of a face at pose scale 1 (px), place of the point below the eyes."""

    height_px: int
    width_px: int
    ipd_px: float
    centre_x: float = 0.5
    centre_y: float = 0.555


@dataclass(frozen=True)
class Pose:
    """Head pose: shift in IPD, roll in degrees counter-clockwise, yaw and pitch in parallax units, gaze -1..1."""

    shift_x: float = 0.0
    shift_y: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    scale: float = 1.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0

    def moved(self, shift_x: float, shift_y: float, roll: float, yaw: float, pitch: float) -> "Pose":
        """This pose with a movement added."""
        return replace(
            self, shift_x=self.shift_x + shift_x, shift_y=self.shift_y + shift_y, roll=self.roll + roll,
            yaw=self.yaw + yaw, pitch=self.pitch + pitch,
        )  # fmt: skip


def sample_pose(rng: np.random.Generator, amount: float = 1.0) -> Pose:
    """A pose near the frontal one; `amount` scales all deviations."""
    deviations = (
        np.clip(rng.standard_normal(8), -2.2, 2.2) * amount * np.array([0.06, 0.05, 2.2, 0.07, 0.05, 0.03, 0.3, 0.2])
    )
    dx, dy, roll, yaw, pitch, size, gaze_x, gaze_y = (float(v) for v in deviations)
    return Pose(dx, dy, roll, float(np.clip(yaw, -MAX_TURN, MAX_TURN)), pitch, 1 + size, gaze_x, gaze_y)


def draw_face(identity: Identity, activation: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The face on its canvas.

    Args:
        identity: the subject.
        activation: float32 (N_CHANNELS,), see `Expressivity.activation`.
        pose: yaw, pitch and gaze are used here, the rest by the camera.

    Returns:
        RGB uint8 (S, S, 3), coverage uint8 (S, S), landmarks float32 (68, 2) in canvas px.
    """
    canvas, face = identity.canvas, identity.face
    size = canvas.size_px
    flow = cv2.resize(
        identity.deformation.flow_at(activation, pose.yaw, pose.pitch), (size, size), interpolation=cv2.INTER_LINEAR
    )
    # remap wants absolute source positions
    flow += _pixel_grid(size)
    rgba = cv2.remap(identity.rgba, flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # not a change of colours: BGRA2BGR only drops the fourth channel, the data are RGB
    image, cover = cv2.cvtColor(rgba, cv2.COLOR_BGRA2BGR), cv2.extractChannel(rgba, 3)
    wrinkles = identity.deformation.wrinkles_at(activation)
    if wrinkles is not None:
        # 128 stands for 1, so that the multiplication runs on 8 bits
        factor = np.clip(wrinkles * 128 + 128, 0, 255).astype(np.uint8)
        factor = cv2.resize(factor, (size, size), interpolation=cv2.INTER_LINEAR)
        cv2.multiply(image, cv2.cvtColor(factor, cv2.COLOR_GRAY2BGR), image, scale=1 / 128)
    turn = np.array([pose.yaw, pose.pitch], np.float32)
    points = np.empty((68, 2), np.float32)
    points[SKIN_POINTS] = identity.skin_points + _weighted(activation, identity.skin_moves)
    for side in (0, 1):
        lids = eye(face, activation, side)
        # drawn after the warp: their curves stay sharp and exact to a fraction of a pixel
        EyePen(image, canvas, face, lids, turn * identity.point_heights[36 + 6 * side]).draw(pose.gaze_x, pose.gaze_y)
        points[36 + 6 * side : 42 + 6 * side] = lids.landmarks()
    lips = mouth(face, activation)
    MouthPen(image, canvas, face, lips, turn * identity.point_heights[48]).draw(activation)
    points[48:] = lips.landmarks()
    return image, cover, canvas.to_px(points + identity.point_heights[:, None] * turn)


def _weighted(activation: np.ndarray, moves: np.ndarray) -> np.ndarray:
    total = np.zeros(moves.shape[1:], np.float32)
    # row by row, not as a matrix product: the same bytes whatever BLAS is installed
    for i in np.flatnonzero(activation):
        total += activation[i] * moves[i]
    return total


@functools.lru_cache(maxsize=4)
def _pixel_grid(size: int) -> np.ndarray:
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    return np.dstack([columns, rows])


def render_frame(
    identity: Identity,
    activation: np.ndarray,
    camera: Camera,
    pose: Pose | None = None,
    background: np.ndarray | None = None,
    gain: float = 1.0,
    grain: tuple[float, np.random.Generator] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """One image of an identity.

    Args:
        identity: the subject.
        activation: float32 (N_CHANNELS,), see `Expressivity.activation`.
        camera: size of the image and of the face in it.
        pose: head pose (default: frontal).
        background: RGB uint8 (H, W, 3) of the camera's size (default: the identity's own scene).
        gain: factor on brightness.
        grain: standard deviation of the sensor's noise in grey levels, and the generator that places it.

    Returns:
        RGB uint8 (H, W, 3) and the exact landmarks float32 (68, 2) in its pixels.
    """
    pose = pose or Pose()
    scene = background if background is not None else scene_behind(identity.seed, camera.height_px, camera.width_px)
    image, cover, points = draw_face(identity, activation, pose)
    matrix = _view(identity, camera, pose)
    # smoothed before it shrinks: linear interpolation alone would alias
    if camera.ipd_px * pose.scale < 0.75 * identity.canvas.scale:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    size = (camera.width_px, camera.height_px)
    front = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(cover, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
    out = cv2.add(cv2.multiply(front, alpha, scale=1 / 255), cv2.multiply(scene, cv2.bitwise_not(alpha), scale=1 / 255))
    if gain != 1:
        out = cv2.convertScaleAbs(out, alpha=gain)
    if grain is not None and grain[0] > 0:
        dx, dy = grain[1].integers(0, NOISE_MARGIN, 2)
        pool = _noise_pool(camera.height_px, camera.width_px, round(grain[0], 2))
        out = cv2.add(out, pool[dy : dy + camera.height_px, dx : dx + camera.width_px], dtype=cv2.CV_8U)
    return out, points @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)


def _view(identity: Identity, camera: Camera, pose: Pose) -> np.ndarray:
    """The (2, 3) matrix from canvas to image; it turns and scales about the point half an IPD below the eyes."""
    ipd = identity.canvas.scale
    pivot = identity.canvas.origin.astype(np.float64) + (0, 0.5 * ipd)
    zoom = camera.ipd_px * pose.scale / ipd
    matrix = cv2.getRotationMatrix2D(pivot.tolist(), pose.roll, zoom)
    target = np.array([camera.width_px * camera.centre_x, camera.height_px * camera.centre_y])
    matrix[:, 2] += target - pivot + np.array([pose.shift_x, pose.shift_y]) * ipd * zoom
    return matrix


@functools.lru_cache(maxsize=4)
def _noise_pool(height: int, width: int, sigma: float) -> np.ndarray:
    shape = (height + NOISE_MARGIN, width + NOISE_MARGIN, 3)
    # one pool per size, cut at a random offset for each frame: cheaper than new noise
    return np.round(seeds.rng(1, "sensor").standard_normal(shape, dtype=np.float32) * sigma).astype(np.int16)


def scene_behind(seed: int, height_px: int, width_px: int) -> np.ndarray:
    """The background of an identity: a plain wall, a mottled wall or blurred furniture, RGB uint8 (H, W, 3)."""
    rng = seeds.rng(seed, "background")
    kind, n = int(rng.integers(3)), max(height_px, width_px)
    base = rng.uniform(40, 230) + rng.normal(0, 14, 3)
    slope_x, slope_y = rng.uniform(-0.25, 0.25, 2)
    mottle = value_noise(rng, n, [(4, 0.7), (9, 0.4)])
    # drawn for every kind, so that the draws before and after do not depend on it
    corners, sizes, tints = rng.uniform(0, 1, (5, 2)), rng.uniform(0.125, 0.5, (5, 2)), rng.normal(0, 30, (5, 3))
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / n - 0.5
    scene = base.astype(np.float32) * (1 + slope_x * x + slope_y * y)[..., None]
    if kind == 1:
        scene *= (1 + 0.12 * mottle)[..., None]
    if kind == 2:
        for corner, size, tint in zip(corners * n, sizes * n, tints, strict=True):
            far = (corner + size).astype(int).tolist()
            cv2.rectangle(scene, corner.astype(int).tolist(), far, (base + tint).tolist(), -1)
        scene = cv2.GaussianBlur(scene, (0, 0), n / 40)
    return np.ascontiguousarray(np.clip(scene, 0, 255).astype(np.uint8)[:height_px, :width_px])
