"""Summing weighted frames into a dynamic image while they are decoded: one pass, memory independent of the length."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fernas.core.errors import DataError
from fernas.views.weights import total

# Even and odd frames are summed apart, by two threads if there are two: one thread gives the same bits.
LANES = 2


class Window(NamedTuple):
    """A part of the frames, half-open pixel rows and columns."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, frame: np.ndarray) -> np.ndarray:
        """The part, as a view."""
        return frame[self.top : self.bottom, self.left : self.right]


class _Lane:
    """The weighted sum of the differences of some frames to a reference; holds two images, whatever their number."""

    def __init__(self, reference: np.ndarray) -> None:
        self.reference = reference
        self.sum = np.zeros(reference.shape, np.float32)
        self._difference = np.empty(reference.shape, np.float32)

    def add(self, position: int, frame: np.ndarray, weight: float) -> None:
        """Add the frame at a position, (H, W[, C]) uint8 or float32."""
        import cv2

        if frame.shape != self.reference.shape or frame.dtype != self.reference.dtype:
            raise DataError(
                f"dynamic image: frame {position + 1} is {frame.shape} {frame.dtype}, the first one "
                f"{self.reference.shape} {self.reference.dtype}"
            )
        # OpenCV releases the interpreter lock here, so that two threads sum at the same time
        cv2.subtract(frame, self.reference, dst=self._difference, dtype=cv2.CV_32F)
        cv2.scaleAdd(self._difference, weight, self.sum, dst=self.sum)


def pool_frames(
    read: Callable[[int], np.ndarray], weights: np.ndarray, window: Window | None = None, threads: int = 1
) -> np.ndarray:
    """The dynamic image of frames that are read by position, decoding and summing at the same time.

    Differences to the first frame are summed, and the first frame is added at the end with the weights' total. So a
    static part, which weights of sum zero cancel, cancels exactly: no rounding noise is left for a min-max to stretch.

    Args:
        read: position 0..T-1 -> frame (H, W[, C]), uint8 or float32; each is asked for once.
        weights: float64 (T,).
        window: the part of the frames that is summed; default all of them.
        threads: 1 or 2; the result is the same.

    Returns:
        The raw sum, float32, of the window's shape.

    Raises:
        DataError: a frame of another shape or type than the first.
    """
    part = window.of if window is not None else lambda frame: frame
    first = part(read(0))
    lanes = [_Lane(first) for _ in range(LANES)]

    def add(position: int) -> None:
        frame = first if position == 0 else part(read(position))
        lanes[position % LANES].add(position, frame, float(weights[position]))

    def run(lane: int) -> None:
        for position in range(lane, len(weights), LANES):
            add(position)

    if threads > 1:
        with ThreadPoolExecutor(LANES) as pool:
            # the list raises what a thread raised
            list(pool.map(run, range(LANES)))
    else:
        for position in range(len(weights)):  # in the order of time, which videos are decoded in
            add(position)
    summed = lanes[0].sum + lanes[1].sum
    static = total(weights)
    return summed + np.float32(static) * first.astype(np.float32) if static else summed


def to_image(raw: np.ndarray) -> np.ndarray:
    """A raw sum as an image: its range over all channels stretched to 0..255, uint8; a constant becomes 128.

    Args:
        raw: float (H, W[, C]).
    """
    low, high = float(raw.min()), float(raw.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"dynamic image: its sum ranges from {low} to {high}, expected finite numbers")
    if high <= low:
        return np.full(raw.shape, 128, np.uint8)
    return np.clip(np.rint((raw - low) * (255.0 / (high - low))), 0, 255).astype(np.uint8)
