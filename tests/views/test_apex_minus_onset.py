"""The difference of apex and onset."""

import numpy as np
import pytest

from fernas.faces.warp import warp_face
from fernas.views.pool import to_image
from tests.fixtures.input_tables import CLIP, FRAMES, TRANSFORM, InputsOfClips


@pytest.fixture
def inputs(tmp_path):
    return InputsOfClips(tmp_path)


def test_apex_minus_onset_is_the_stretched_difference(inputs):
    array, _ = inputs.make({"kind": "apex_minus_onset", "size": 32}, CLIP)
    assert sorted(inputs.shelf.reads) == ["toy/c#0", "toy/c#5"]
    difference = FRAMES[5].astype(np.float32) - FRAMES[0].astype(np.float32)
    assert np.abs(array[0].astype(int) - to_image(warp_face(difference, TRANSFORM, 32))).max() <= 2
