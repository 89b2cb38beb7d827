"""Digests, perceptual hashes and correlations of images."""

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fernas.datasets._duplicates import correlations, image_digest, near_hashes, perceptual_hash


def test_hash_is_that_of_imagehash():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (60, 50), dtype=np.uint8)
    reference = imagehash.phash(Image.fromarray(grey))
    assert f"{perceptual_hash(grey):016x}" == str(reference)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 2**64 - 1), max_size=40),
    flips=st.lists(st.tuples(st.integers(0, 39), st.lists(st.integers(0, 63), max_size=6)), max_size=20),
    distance=st.integers(0, 8),
)
def test_near_hashes_are_all_pairs_within_the_distance(values, flips, distance):
    values = list(values)
    for at, bits in flips:
        if at < len(values):
            copy = values[at]
            for bit in bits:
                copy ^= 1 << bit
            values.append(copy)
    expected = {
        (i, j, (values[i] ^ values[j]).bit_count())
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= distance
    }
    found = {tuple(row) for block in near_hashes(np.array(values, np.uint64), distance) for row in block.tolist()}
    assert found == expected


def test_near_hashes_over_several_blocks(monkeypatch):
    monkeypatch.setattr("fernas.datasets._duplicates.BLOCK_BYTES", 8 * 100 * 7)
    values = np.random.default_rng(3).integers(0, 2**63, 100).astype(np.uint64)
    values[93] = values[4] ^ np.uint64(5)
    values[50] = values[49]
    found = [tuple(row) for block in near_hashes(values, 4) for row in block.tolist()]
    assert found == [(4, 93, 2), (49, 50, 0)]


def test_correlation_is_pearsons():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (5, 9, 7), dtype=np.uint8)
    images[4] = 7
    pairs = np.array([[0, 1], [2, 2], [1, 3], [0, 4]])
    expected = [np.corrcoef(images[a].ravel(), images[b].ravel())[0, 1] for a, b in pairs[:3]]
    assert correlations(images, pairs) == pytest.approx([*expected, 0], abs=1e-6)


def test_a_digest_tells_images_apart_by_every_pixel_and_by_their_shape():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    other = image.copy()
    other[-1, -1, -1] += 1
    digests = [image_digest(each) for each in (image, other, image.reshape(4, 2, 3))]
    assert len(set(digests)) == 3 and image_digest(image.copy()) == digests[0]
