"""Duplicates and near-duplicates: digests of decoded images; perceptual hashes, confirmed by pixel correlation."""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# the size of FER2013 and CK48, whose images then are their own thumbnails
THUMB = 48
BLOCK_BYTES = 64 << 20
PAIRS_AT_ONCE = 2000
MAX_CONFIRMED = 2000


def image_digest(image: "np.ndarray") -> bytes:
    """sha256 of a decoded image (H, W, 3): the same for the same pixels, in whatever file or format they are stored."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()


def perceptual_hash(grey: "np.ndarray") -> int:
    """The 64-bit DCT hash of imagehash (Zauner's pHash) of a grey image, uint8 (H, W)."""
    import imagehash
    import numpy as np
    from PIL import Image

    bits = imagehash.phash(Image.fromarray(grey)).hash.ravel()
    return int(np.packbits(bits).view(">u8")[0])


def thumbnail(grey: "np.ndarray") -> "np.ndarray":
    """A grey image as uint8 (48, 48); an image of that size stays as it is."""
    from fernas.core.images import resize

    return grey if grey.shape == (THUMB, THUMB) else resize(grey, THUMB, THUMB)


def near_hashes(hashes: "np.ndarray", distance: int) -> Iterator["np.ndarray"]:
    """All pairs i < j whose hashes differ in at most `distance` bits, block by block.

    Args:
        hashes: uint64 (N,).
        distance: largest number of differing bits.

    Yields:
        int64 (n, 3): i, j, number of differing bits. Memory stays bounded whatever N is.
    """
    import numpy as np

    count = len(hashes)
    # one block compares `rows` hashes with all later ones: 8 bytes per pair, bounded by BLOCK_BYTES
    rows = max(1, BLOCK_BYTES // (8 * max(1, count)))
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        bits = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, start:])  # (rows, N - start)
        # within the block's own rows every pair appears twice, and each image with itself
        i, j = np.nonzero(bits <= distance)
        upper = j > i
        i, j = i[upper], j[upper]
        if len(i):
            yield np.stack([i + start, j + start, bits[i, j].astype(np.int64)], axis=1)


def correlations(images: "np.ndarray", pairs: "np.ndarray") -> "np.ndarray":
    """Pearson correlation of the pixels of pairs of images; 0 where one of them is flat.

    Args:
        images: uint8 (N, H, W).
        pairs: int (n, 2) indices.

    Returns:
        float64 (n,).
    """
    import numpy as np

    flat = images.reshape(len(images), -1)  # (N, H * W)
    values = np.zeros(len(pairs))
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = pairs[start : start + PAIRS_AT_ONCE]
        left, right = (flat[part[:, column]].astype(np.float32) for column in (0, 1))  # each (n, H * W)
        left -= left.mean(axis=1, keepdims=True)
        right -= right.mean(axis=1, keepdims=True)
        # r = sum(ab) / sqrt(sum(a^2) sum(b^2)) of centred pixels, summed in doubles since single ones lose digits
        scale = np.sqrt((left**2).sum(axis=1, dtype=np.float64) * (right**2).sum(axis=1, dtype=np.float64))
        product = (left * right).sum(axis=1, dtype=np.float64)
        values[start : start + len(part)] = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    return values


def correlation_of(left: "np.ndarray", right: "np.ndarray") -> float:
    """Pearson correlation of two grey images, at the smaller one's size."""
    import numpy as np

    from fernas.core.images import resize

    height, width = min(left.shape[0], right.shape[0]), min(left.shape[1], right.shape[1])
    pair = [p if p.shape == (height, width) else resize(p, height, width) for p in (left, right)]
    return float(correlations(np.stack(pair), np.array([[0, 1]]))[0])


def near_duplicates(
    hashes: "np.ndarray",
    thumbs: "np.ndarray",
    may_pair: Callable[["np.ndarray", "np.ndarray"], "np.ndarray"],
    confirm: Callable[[int, int], float] | None,
    distance: int,
    correlation: float,
) -> list[tuple[int, int, int, float]]:
    """Pairs of images that look the same: hash distance and correlation within the limits.

    Args:
        hashes: uint64 (N,) perceptual hashes.
        thumbs: uint8 (N, 48, 48).
        may_pair: (i, j) arrays -> bool array; which pairs are asked for.
        confirm: correlation of the source images of i and j, where the thumbnails are not the sources themselves.
        distance: largest hash distance.
        correlation: smallest correlation.

    Returns:
        (i, j, distance, correlation), ascending. Beyond MAX_CONFIRMED pairs only the thumbnails are correlated.
    """
    accepted: list[tuple[int, int, int, float]] = []
    confirmed = 0
    # thumbnails correlate a little otherwise than their sources: leave doubtful pairs to `confirm`
    slack = 0.05 if confirm is not None else 0.0
    for block in near_hashes(hashes, distance):
        block = block[may_pair(block[:, 0], block[:, 1])]
        values = correlations(thumbs, block[:, :2])
        for (i, j, bits), value in zip(block.tolist(), values.tolist(), strict=True):
            if value < correlation - slack:
                continue
            final = value
            if confirm is not None and confirmed < MAX_CONFIRMED:
                final, confirmed = confirm(i, j), confirmed + 1
            if final >= correlation:
                accepted.append((i, j, bits, round(final, 4)))
    return sorted(accepted)


def duplicate_sets(digests: Sequence[Hashable]) -> list[list[int]]:
    """Indices that share a digest (None is no digest), sets of two and more, in order of first appearance."""
    sets: dict[Hashable, list[int]] = {}
    for at, digest in enumerate(digests):
        if digest is not None:
            sets.setdefault(digest, []).append(at)
    return [members for members in sets.values() if len(members) > 1]
