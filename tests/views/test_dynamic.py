"""Dynamic images of clips."""

import numpy as np
import pytest

from fernas.core.errors import DataError
from fernas.faces.geometry import to_aligned
from fernas.faces.warp import warp_face
from fernas.views.pool import to_image
from fernas.views.weights import bilen
from tests.fixtures.input_tables import CLIP, FRAMES, LAST, TRANSFORM, TRUTH, InputsOfClips


@pytest.fixture
def inputs(tmp_path):
    return InputsOfClips(tmp_path)


def test_a_dynamic_view_reads_its_span_once_and_warps_the_sum(inputs):
    array, table = inputs.make({"kind": "dynamic", "size": 32}, CLIP)
    assert sorted(inputs.shelf.reads) == [f"toy/c#{t}" for t in range(6)]
    assert array.shape == (1, 32, 32, 3) and array.dtype == np.uint8
    raw = np.tensordot(bilen(6), np.stack(FRAMES[:6]).astype(np.float64), axes=1).astype(np.float32)
    expected = to_image(warp_face(raw, TRANSFORM, 32))
    assert np.abs(array[0].astype(int) - expected).max() <= 2
    assert table["excluded"].isna().all() and table["row"].tolist() == [0]
    nose = to_aligned(TRANSFORM, TRUTH[0][2], 32)
    np.testing.assert_allclose(table[["nose_x", "nose_y"]].to_numpy()[0], nose)


@pytest.mark.parametrize(
    ("span", "expected"),
    [("onset_apex", range(1, 6)), ("onset_offset", range(1, 8)), ("all", range(LAST + 1))],
)
def test_spans(inputs, span, expected):
    inputs.make({"kind": "dynamic", "span": span, "size": 16}, {"toy/c": [1, 5, 7]})
    assert sorted(inputs.shelf.reads) == [f"toy/c#{t}" for t in expected]


@pytest.mark.parametrize("weights", ["bilen", "learnet", "exact"])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_every_weighting_and_colour_gives_a_stretched_image(inputs, weights, colour):
    array, _ = inputs.make({"kind": "dynamic", "weights": weights, "colour": colour, "size": 24}, CLIP)
    assert array.shape == (1, 24, 24, 3 if colour == "rgb" else 1)
    assert array.min() == 0 and array.max() == 255


def test_exact_and_approximate_rank_pooling_see_the_same_motion(inputs):
    views = [{"kind": "dynamic", "weights": name, "size": 24} for name in ("bilen", "exact")]
    first, second = (np.array(inputs.make(view, CLIP)[0][0], float).ravel() for view in views)
    assert np.corrcoef(first, second)[0, 1] > 0.8


def test_a_static_clip_is_mid_grey(tmp_path):
    inputs = InputsOfClips(tmp_path, {"toy/c": [FRAMES[0]] * 5})
    array, _ = inputs.make({"kind": "dynamic", "size": 24}, {"toy/c": [0, 4, 4]})
    assert (array == 128).all()


@pytest.mark.parametrize("weights", ["bilen", "exact"])
def test_frames_of_different_sizes_are_named(tmp_path, weights):
    inputs = InputsOfClips(tmp_path, {"toy/c": [FRAMES[0], FRAMES[1][:-1], FRAMES[2]]})
    with pytest.raises(DataError, match="toy/c: toy/c#1 is 192x191 px, toy/c#0 192x192"):
        inputs.make({"kind": "dynamic", "size": 24, "weights": weights}, {"toy/c": [0, 2, 2]})
