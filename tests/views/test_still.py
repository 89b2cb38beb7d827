"""Still images, and the apex frame of clips."""

import numpy as np
import pytest

from fernas.core.images import to_grey
from fernas.faces.warp import warp_face
from tests.fixtures.input_tables import CLIP, FRAMES, TRANSFORM, InputsOfClips


@pytest.fixture
def inputs(tmp_path):
    return InputsOfClips(tmp_path)


@pytest.mark.parametrize("kind", ["still", "apex"])
def test_stills_are_the_aligned_frame(inputs, kind):
    array, _ = inputs.make({"kind": kind, "size": 40}, {**CLIP, "toy/c/f00003": [3]})
    np.testing.assert_array_equal(array[0], warp_face(FRAMES[5], TRANSFORM, 40))
    np.testing.assert_array_equal(array[1], warp_face(FRAMES[3], TRANSFORM, 40))
    grey, _ = inputs.make({"kind": kind, "size": 40, "colour": "grey"}, CLIP)
    np.testing.assert_array_equal(grey[0, :, :, 0], to_grey(warp_face(FRAMES[5], TRANSFORM, 40)))
