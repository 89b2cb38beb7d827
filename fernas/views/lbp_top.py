"""LBP-TOP: histograms of local binary patterns on the three orthogonal planes of a clip.

Zhao and Pietikaeinen, "Dynamic texture recognition using local binary patterns", PAMI 2007: the classic description of
micro-expressions. The patterns are scikit-image's.
"""

import numpy as np

from fernas.core.errors import DataError

PLANES = 3  # XY, XT, YT


def feature_count(neighbours: int, blocks: int) -> int:
    """Length of the description: blocks x blocks x 3 planes x uniform patterns of `neighbours` points."""
    return blocks * blocks * PLANES * patterns(neighbours)


def patterns(neighbours: int) -> int:
    """Number of uniform patterns, those that aren't uniform counted as one: P (P - 1) + 3, 59 for eight points."""
    return neighbours * (neighbours - 1) + 3


def resampled(volume: np.ndarray, frames: int) -> np.ndarray:
    """A clip of another length, by linear interpolation in time; the first and the last frame stay.

    Args:
        volume: uint8 (T, H, W).
        frames: the new length.

    Returns:
        uint8 (frames, H, W).
    """
    at = np.linspace(0, len(volume) - 1, frames)
    low = np.minimum(at.astype(int), max(0, len(volume) - 2))
    high = np.minimum(low + 1, len(volume) - 1)
    share = (at - low)[:, None, None]
    mixed = (1 - share) * volume[low] + share * volume[high]
    return np.rint(mixed).astype(np.uint8)


def lbp_top(volume: np.ndarray, radius: int = 1, neighbours: int = 8, blocks: int = 5) -> np.ndarray:
    """The description of a clip.

    Only voxels whose circles lie inside the clip on all three planes count. A plane's circle has the same radius in
    space and in time, since scikit-image draws circles; the length that clips are resampled to sets what it spans.

    Args:
        volume: uint8 (T, H, W), grey.
        radius: of the circles, pixels and frames.
        neighbours: points on a circle.
        blocks: blocks per side; each has its own histograms.

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
    found = []
    for rows in np.array_split(np.arange(height - 2 * radius), blocks):
        for columns in np.array_split(np.arange(width - 2 * radius), blocks):
            part = codes[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].reshape(PLANES, -1)
            found += [np.bincount(plane, minlength=bins) / part.shape[1] for plane in part]
    return np.concatenate(found).astype(np.float32)


def plane_codes(volume: np.ndarray, radius: int, neighbours: int) -> np.ndarray:
    """The pattern of every inner voxel on each plane: int64 (3, T - 2R, H - 2R, W - 2R), planes XY, XT, YT."""
    from skimage.feature import local_binary_pattern

    length, height, width = volume.shape
    inner = slice(radius, -radius)

    def codes(image: np.ndarray) -> np.ndarray:
        image = np.ascontiguousarray(image)
        return local_binary_pattern(image, neighbours, radius, method="nri_uniform")[inner, inner].astype(np.int64)

    xy = np.stack([codes(volume[t]) for t in range(radius, length - radius)])
    xt = np.stack([codes(volume[:, y]) for y in range(radius, height - radius)], axis=1)
    yt = np.stack([codes(volume[:, :, x]) for x in range(radius, width - radius)], axis=2)
    return np.stack([xy, xt, yt])
