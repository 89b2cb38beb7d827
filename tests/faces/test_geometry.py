"""The geometry of alignment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.faces import geometry
from fernas.faces.geometry import Eyes
from fernas.faces.warp import warp_face

coordinate = st.floats(-500, 500)


@given(coordinate, coordinate, st.floats(5, 300), st.floats(-40, 40), st.integers(16, 128))
def test_eyes_land_where_the_canonical_face_has_them(x, y, distance, roll_deg, size):
    along = np.array([np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))])
    eyes = Eyes(np.array([x, y]), np.array([x, y]) + distance * along)
    transform = geometry.eyes_transform(eyes, eye_line=0.34, eye_distance=0.38)
    left = geometry.to_aligned(transform, eyes.left, size)
    right = geometry.to_aligned(transform, eyes.right, size)
    expected = np.array([[0.31, 0.34], [0.69, 0.34]]) * size - 0.5
    np.testing.assert_allclose([left, right], expected, atol=1e-6)
    # A similarity: what lies across the eye line lies straight below in the aligned face.
    nose = geometry.to_aligned(transform, geometry.nose_from_eyes(eyes, 0.5), size)
    np.testing.assert_allclose(nose, np.array([0.5, 0.34 + 0.5 * 0.38]) * size - 0.5, atol=1e-6)


@given(st.floats(-20, 80), st.floats(-20, 80), st.integers(8, 100))
def test_to_source_inverts_to_aligned(x, y, size):
    eyes = Eyes(np.array([10.0, 22.0]), np.array([50.0, 30.0]))
    transform = geometry.eyes_transform(eyes, 0.34, 0.38)
    point = np.array([x, y])
    back = geometry.to_source(transform, geometry.to_aligned(transform, point, size), size)
    np.testing.assert_allclose(back, point, atol=1e-8)


def test_centre_crop_takes_the_largest_middle_square():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 10:50] = 200
    crop = warp_face(image, geometry.centre_crop_transform(40, 60), 20)
    assert (crop == 200).all()


BOX = (0.0, 0.0, 100.0, 100.0)
GOOD = Eyes(np.array([30.0, 35.0]), np.array([70.0, 36.0]))


def test_plausible_landmarks_pass():
    assert geometry.implausible(GOOD, np.array([50.0, 58.0]), BOX) is None
    assert geometry.implausible(GOOD, None, None) is None


@pytest.mark.parametrize(
    ("eyes", "nose", "word"),
    [
        (Eyes(GOOD.left, GOOD.left), None, "coincide"),
        (Eyes(GOOD.right, GOOD.left), None, "rolled"),
        (Eyes(np.array([45.0, 35.0]), np.array([55.0, 35.0])), None, "of the box"),
        (Eyes(np.array([30.0, 135.0]), np.array([70.0, 135.0])), None, "outside"),
        (GOOD, np.array([50.0, 20.0]), "nose"),
        (GOOD, np.array([95.0, 58.0]), "nose"),
    ],
)
def test_implausible_landmarks_are_refused_with_a_reason(eyes, nose, word):
    reason = geometry.implausible(eyes, nose, BOX)
    assert reason is not None and word in reason


def test_nose_tip_lies_between_the_eyes_and_the_base():
    tip = geometry.nose_tip_from_base(GOOD, np.array([50.0, 75.5]), 0.75)
    np.testing.assert_allclose(tip, [50.0, 65.5])
