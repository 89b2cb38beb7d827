"""Summing weighted frames into a dynamic image while they are decoded: one pass, memory independent of the length."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fernas.core.errors import DataError
from fernas.views.weights import exact, fixed_weights, total

# Even and odd frames are summed apart, by two threads if there are two: the sums are the same bits with one.
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


class DynamicImage:
    """The weighted sum of frames that come one after another; holds three images, whatever the length.

    Differences to a reference frame are summed and the reference is added at the end with the weights' total: a static
    part, which the weights cancel, cancels exactly and leaves no rounding noise for a min-max to blow up.

    Args:
        weights: float64 (T,), one per frame.
        reference: the frame that differences are taken to; default the first one that is added.
    """

    def __init__(self, weights: np.ndarray, reference: np.ndarray | None = None) -> None:
        self.weights = np.asarray(weights, np.float64)
        self.seen = 0
        self._reference = reference
        self._sum: np.ndarray | None = None
        self._difference: np.ndarray | None = None

    def add(self, frame: np.ndarray, weight: float | None = None) -> None:
        """Add the next frame, (H, W[, C]) uint8 or float32; `weight` overrides the weight at its place.

        Raises:
            DataError: more frames than weights, or a frame of another shape or type than the first.
        """
        import cv2

        if weight is None:
            if self.seen >= len(self.weights):
                raise DataError(f"dynamic image: more frames than the {len(self.weights)} announced")
            weight = float(self.weights[self.seen])
        if self._reference is None:
            self._reference = frame.copy()
        if frame.shape != self._reference.shape or frame.dtype != self._reference.dtype:
            raise DataError(
                f"dynamic image: frame {self.seen + 1} is {frame.shape} {frame.dtype}, the first one "
                f"{self._reference.shape} {self._reference.dtype}"
            )
        if self._sum is None or self._difference is None:
            self._sum = np.zeros(frame.shape, np.float32)
            self._difference = np.empty(frame.shape, np.float32)
        cv2.subtract(frame, self._reference, dst=self._difference, dtype=cv2.CV_32F)
        cv2.scaleAdd(self._difference, weight, self._sum, dst=self._sum)
        self.seen += 1

    def merge(self, other: "DynamicImage") -> None:
        """Add the sum of another one that took its differences to the same reference."""
        if other._sum is not None:
            self._sum = other._sum if self._sum is None else self._sum + other._sum
        self.seen += other.seen

    def raw(self) -> np.ndarray:
        """The weighted sum, float32 (H, W[, C]).

        Raises:
            DataError: fewer frames than weights were added.
        """
        if self.seen != len(self.weights) or self._sum is None or self._reference is None:
            raise DataError(f"dynamic image: {self.seen} frames, {len(self.weights)} announced")
        static = total(self.weights)
        return self._sum + np.float32(static) * self._reference.astype(np.float32) if static else self._sum.copy()


def dynamic_image(frames: Iterable[np.ndarray], length: int, kind: str) -> np.ndarray:
    """The dynamic image of frames that come one after another.

    Args:
        frames: `length` frames (H, W[, C]), uint8 or float32; for `exact` they are held in memory, so give small ones.
        length: their number T.
        kind: bilen, learnet or exact.

    Returns:
        The raw sum, float32 (H, W[, C]).

    Raises:
        DataError: fewer than two frames, another number than announced, or frames of different shapes.
    """
    if kind == "exact":
        kept = list(frames)
        return pool_frames(kept.__getitem__, _exact_of(kept))
    image = DynamicImage(fixed_weights(kind, length))
    for frame in frames:
        image.add(frame)
    return image.raw()


def pool_frames(
    read: Callable[[int], np.ndarray], weights: np.ndarray, window: Window | None = None, threads: int = 1
) -> np.ndarray:
    """The dynamic image of frames that are read by position, decoding and summing at the same time.

    Args:
        read: position 0..T-1 -> frame (H, W[, C]), uint8 or float32; each is asked for once.
        weights: float64 (T,).
        window: the part of the frames that is summed; default all of them.
        threads: 1 or 2; the result is the same.

    Returns:
        The raw sum, float32, of the window's shape.
    """
    part = window.of if window is not None else _whole
    first = part(read(0))
    lanes = [DynamicImage(weights, reference=first) for _ in range(LANES)]

    def add(position: int) -> None:
        frame = first if position == 0 else part(read(position))
        lanes[position % LANES].add(frame, float(weights[position]))

    def run(lane: int) -> None:
        for position in range(lane, len(weights), LANES):
            add(position)

    if threads > 1:
        with ThreadPoolExecutor(LANES) as pool:
            list(pool.map(run, range(LANES)))
    else:
        for position in range(len(weights)):
            add(position)
    lanes[0].merge(lanes[1])
    return lanes[0].raw()


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


def _exact_of(frames: list[np.ndarray]) -> np.ndarray:
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise DataError(f"dynamic image: frames of different shapes: {sorted(shapes)}")
    return exact(np.stack(frames)) if frames else exact(np.empty((0, 1)))


def _whole(frame: np.ndarray) -> np.ndarray:
    return frame
