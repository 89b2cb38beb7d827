"""Warping into the aligned face."""

import numpy as np
from hypothesis import strategies as st

from fernas.faces import geometry
from fernas.faces.geometry import Eyes
from fernas.faces.warp import source_window, warp_face

coordinate = st.floats(-500, 500)


def test_whole_image_at_its_own_size_is_the_identity():
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    np.testing.assert_array_equal(warp_face(image, geometry.whole_transform(48, 48), 48), image)


def test_shrinking_averages_instead_of_skipping_pixels():
    checkers = np.indices((96, 96)).sum(axis=0) % 2 * 255
    image = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    small = warp_face(image, geometry.whole_transform(96, 96), 24)
    assert abs(small.astype(int) - 128).max() <= 1


def test_the_window_gives_the_same_face_as_the_whole_image():
    image = np.random.default_rng(1).random((120, 160, 3)).astype(np.float32)
    eyes = Eyes(np.array([60.0, 50.0]), np.array([85.0, 54.0]))
    transform = geometry.eyes_transform(eyes, 0.34, 0.38)
    (top, bottom, left, right), moved = source_window(transform, 120, 160)
    part = image[top:bottom, left:right]
    assert part.size < image.size
    # OpenCV places linear samples on a grid of 1/32 pixel.
    np.testing.assert_allclose(warp_face(part, moved, 32), warp_face(image, transform, 32), atol=0.05)


def test_a_window_outside_the_image_still_has_a_pixel():
    (top, bottom, left, right), _ = source_window(geometry.square_transform((-50, -50, -30, -30)), 20, 20)
    assert bottom > top >= 0 and right > left >= 0
