"""Warping an image, or a sum of images, into the aligned face; linear, so that it commutes with summing."""

import math

import numpy as np

from fernas.core.images import resize, warp_affine

MAX_SUPERSAMPLING = 8


def warp_face(image: np.ndarray, transform: np.ndarray, size_px: int) -> np.ndarray:
    """Warp to the aligned face of `size_px` pixels.

    Where the face shrinks by a factor k, it is warped to the next whole multiple of the size and averaged by area:
    linear interpolation alone would skip pixels and turn noise and sub-pixel motion into aliasing.

    Args:
        image: (H, W[, C]), uint8 or float32.
        transform: float64 (2, 3), source pixels -> unit square.
        size_px: side of the result.

    Returns:
        (size_px, size_px[, C]) of the same dtype; outside the source the border's value goes on.
    """
    scale = 1 / (math.sqrt(abs(float(np.linalg.det(transform[:, :2])))) * size_px)  # source pixels per target pixel
    # 0.01: a shrink by rounding error alone must not double the work
    factor = min(MAX_SUPERSAMPLING, max(1, math.ceil(scale - 0.01)))
    inner = size_px * factor
    matrix = transform * inner
    # The unit square's (0, 0) is the outer corner of the first pixel, OpenCV's is its centre, in source and target.
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5])
    warped = warp_affine(image, matrix, inner, replicate=True)
    return resize(warped, size_px, size_px) if factor > 1 else warped


def source_window(transform: np.ndarray, height: int, width: int) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """The part of a source image that the aligned face needs, and the transform from that part.

    Args:
        transform: float64 (2, 3), source pixels -> unit square.
        height: of the source, pixels.
        width: of the source, pixels.

    Returns:
        (top, bottom, left, right), half-open pixels, at least one row and column; float64 (2, 3). Warping the part
        gives the same image as warping the whole, up to the rounding of positions.
    """
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    source = np.linalg.solve(transform[:, :2], (corners - transform[:, 2]).T).T
    # two pixels of margin for the interpolation at the border
    (left, top), (right, bottom) = np.floor(source.min(axis=0)) - 2, np.ceil(source.max(axis=0)) + 2
    x0, x1 = _clipped(left, right, width)
    y0, y1 = _clipped(top, bottom, height)
    moved = transform.copy()
    # A (x + x0) + b = A x + (b + A x0)
    moved[:, 2] += transform[:, :2] @ np.array([x0, y0])
    return (y0, y1, x0, x1), moved


def _clipped(low: float, high: float, size: int) -> tuple[int, int]:
    start = int(min(max(low, 0), size - 1))
    return start, int(max(min(high, size), start + 1))
