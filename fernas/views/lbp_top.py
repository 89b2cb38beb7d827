"""LBP-TOP: histograms of local binary patterns on the three orthogonal planes of a clip, as features.

Zhao and Pietikaeinen, "Dynamic texture recognition using local binary patterns", PAMI 2007: the classic features of
micro-expressions. The patterns are scikit-image's.
"""

from typing import Any

import numpy as np
from pydantic import Field, model_validator

from fernas.core.config import Strict
from fernas.core.errors import DataError
from fernas.views._base import FaceFrames, SpanOptions, SpanView

PLANES = 3  # XY, XT, YT


class PatternOptions(Strict):
    """Local binary patterns on three orthogonal planes of a clip."""

    frames: int = Field(10, ge=3, description="frames that each clip is resampled to, linearly in time")
    radius: int = Field(1, ge=1, description="of the circle on every plane, pixels and frames")
    neighbours: int = Field(8, ge=4, le=16, description="points on the circle; 8 give 59 uniform patterns")
    blocks: int = Field(5, ge=1, description="blocks along each side of the face, each with its own histograms")

    @model_validator(mode="after")
    def _room(self) -> "PatternOptions":
        if self.frames <= 2 * self.radius:
            raise ValueError(f"frames must be more than twice the radius, got {self.frames} and {self.radius}")
        return self


class LbpTopOptions(SpanOptions):
    """Options of `lbp_top`; the patterns are those of the grey image."""

    lbp: PatternOptions = Field(PatternOptions(), description="the patterns and their histograms")


class LbpTop(SpanView):
    """The histograms of the aligned grey clip."""

    name = "lbp_top"
    holds_features = True
    Config = LbpTopOptions

    def shape(self, options: Any) -> tuple[int, int, int]:
        """(1, 1, F)."""
        return 1, 1, feature_count(options.lbp.neighbours, options.lbp.blocks)

    def make(self, frames: FaceFrames, options: Any) -> np.ndarray:
        """The features of the resampled clip, float32 (1, 1, F)."""
        from fernas.core.images import to_grey

        clip = np.stack([to_grey(frames.aligned(number, options.size)) for number in range(len(frames))])
        lbp = options.lbp
        return lbp_top(resampled(clip, lbp.frames), lbp.radius, lbp.neighbours, lbp.blocks)[None, None]

    def text(self, options: Any) -> str:
        """For example `64 px grey, lbp-top`."""
        return f"{options.size} px grey, lbp-top"


def feature_count(neighbours: int, blocks: int) -> int:
    """Length of the features: blocks x blocks x 3 planes x uniform patterns of `neighbours` points."""
    return blocks * blocks * PLANES * patterns(neighbours)


def patterns(neighbours: int) -> int:
    """Number of patterns: P (P - 1) + 2 uniform ones and one for all others; 59 for eight points."""
    return neighbours * (neighbours - 1) + 3


def resampled(volume: np.ndarray, frames: int) -> np.ndarray:
    """A clip of another length, by linear interpolation in time; the first and the last frame stay.

    Args:
        volume: uint8 (T, H, W).
        frames: the new length.

    Returns:
        uint8 (frames, H, W).
    """
    times = np.linspace(0, len(volume) - 1, frames)
    # low ends at the last frame but one, so that there is a next frame to mix with.
    low = np.minimum(times.astype(int), max(0, len(volume) - 2))
    high = np.minimum(low + 1, len(volume) - 1)
    share = (times - low)[:, None, None]
    mixed = (1 - share) * volume[low] + share * volume[high]
    return np.rint(mixed).astype(np.uint8)


def lbp_top(volume: np.ndarray, radius: int = 1, neighbours: int = 8, blocks: int = 5) -> np.ndarray:
    """The features of a clip.

    Only voxels whose circles lie inside the clip on all three planes count. A plane's circle has the same radius in
    space and in time, since scikit-image draws circles; the length that clips are resampled to sets what it spans.

    Args:
        volume: uint8 (T, H, W), grey.
        radius: of the circles, pixels and frames.
        neighbours: points on a circle.
        blocks: blocks along each side of the face; each has its own histograms.

    Returns:
        float32 (blocks * blocks * 3 * patterns,): by block (row by row), plane (XY, XT, YT), pattern; the histogram of
        each plane of each block sums to 1.

    Raises:
        DataError: the clip has no inner voxel for every block.
    """
    length, height, width = volume.shape
    if length <= 2 * radius or min(height, width) - 2 * radius < blocks:
        raise DataError(
            f"LBP-TOP: a clip of {length} frames of {width}x{height} px has no inner voxels for {blocks} x {blocks} "
            f"blocks and radius {radius}"
        )
    codes = plane_codes(volume, radius, neighbours)
    bins = patterns(neighbours)
    histograms = []
    # array_split: sizes that the blocks do not divide give blocks that differ by one pixel
    for rows in np.array_split(np.arange(height - 2 * radius), blocks):
        for columns in np.array_split(np.arange(width - 2 * radius), blocks):
            part = codes[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].reshape(PLANES, -1)
            histograms += [np.bincount(plane, minlength=bins) / part.shape[1] for plane in part]
    return np.concatenate(histograms).astype(np.float32)


def plane_codes(volume: np.ndarray, radius: int, neighbours: int) -> np.ndarray:
    """The pattern of every inner voxel on each plane: int64 (3, T - 2R, H - 2R, W - 2R), planes XY, XT, YT."""
    from skimage.feature import local_binary_pattern

    length, height, width = volume.shape
    inner = slice(radius, -radius)

    def codes(image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(image)
        return local_binary_pattern(image, neighbours, radius, method="nri_uniform")[inner, inner].astype(np.int64)

    xy = np.stack([codes(volume[t]) for t in range(radius, length - radius)])
    xt = np.stack([codes(volume[:, y]) for y in range(radius, height - radius)], axis=1)  # (T - 2R, H - 2R, W - 2R)
    yt = np.stack([codes(volume[:, :, x]) for x in range(radius, width - radius)], axis=2)
    return np.stack([xy, xt, yt])


PLUGIN = LbpTop()
