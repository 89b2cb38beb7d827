"""The stored inputs of a view and their table."""

import json

import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import read_parquet
from fernas.faces.geometry import centre_crop_transform, to_aligned
from fernas.views.inputs import positions_of_view, view_of
from tests.fixtures.input_tables import CLIP, FRAMES, LAST, InputsOfClips, face_rows


@pytest.fixture
def inputs(tmp_path):
    return InputsOfClips(tmp_path)


@pytest.mark.parametrize("view", [{"kind": "dynamic"}, {"kind": "apex_minus_onset"}])
def test_a_clip_of_one_frame_is_excluded_with_its_reason(tmp_path, view):
    inputs = InputsOfClips(tmp_path, {"toy/c": FRAMES, "toy/d": FRAMES})
    array, table = inputs.make({**view, "size": 16}, {"toy/c": [4, 4, LAST], "toy/d": [0, 4, LAST]})
    assert "a clip of one frame" in table["excluded"][0] and pd.isna(table["excluded"][1])
    assert not array[0].any() and array[1].any()


def test_a_sample_without_a_face_is_kept_or_excluded_as_the_task_says(inputs):
    height, width = FRAMES[0].shape[:2]
    faces = face_rows(["toy/c"], "no_face", centre_crop_transform(height, width), "no face in 5 frames")
    array, table = inputs.make({"kind": "apex", "size": 24}, CLIP, faces)
    assert table["face_status"][0] == "no_face" and pd.isna(table["excluded"][0]) and array.any()
    array, table = inputs.make({"kind": "apex", "size": 24}, CLIP, faces, no_face="exclude")
    assert table["excluded"][0] == "no face: no face in 5 frames" and not array.any()
    assert len(inputs.shelf.reads) == 1


def test_an_unreadable_sample_is_excluded_under_any_policy(inputs):
    faces = face_rows(["toy/c"], "no_face", None, "unreadable: img1.jpg")
    _, table = inputs.make({"kind": "apex", "size": 24}, CLIP, faces)
    assert "img1.jpg" in table["excluded"][0] and pd.isna(table["nose_x"][0])


def test_a_failure_leaves_no_half_file(inputs):
    def broken(dataset, ref):
        raise DataError(f"{ref}: truncated image")

    inputs.shelf.read = broken
    with pytest.raises(DataError, match="toy/c: toy/c#0: truncated image"):
        inputs.make({"kind": "dynamic", "size": 24}, CLIP)
    assert list(inputs.npy.parent.iterdir()) == []


def test_a_sample_without_manifest_or_face_row_breaks_the_contract(inputs):
    with pytest.raises(ContractError, match="toy/x"):
        inputs.make({"kind": "still"}, {"toy/x": [0]})
    with pytest.raises(ContractError, match="faces table"):
        inputs.make({"kind": "still"}, CLIP, face_rows(["toy/other"]))


def test_clip_views_need_clips():
    with pytest.raises(ConfigError, match="frames.kind"):
        positions_of_view(*view_of({"kind": "dynamic"}), [3], 9, "toy/c")


@pytest.mark.parametrize("positions", [[3, 2, 5], [0, 4, 9], [-1, 2, 3]])
def test_positions_that_do_not_fit_are_refused(positions):
    with pytest.raises(DataError, match="toy/c"):
        positions_of_view(*view_of({"kind": "dynamic"}), positions, 9, "toy/c")


def test_no_samples_is_an_error(inputs):
    with pytest.raises(DataError, match="no samples"):
        inputs.make({"kind": "still"}, {})


def test_the_same_inputs_give_the_same_files(inputs):
    view = {"kind": "dynamic", "size": 24}
    inputs.make(view, CLIP)
    first = inputs.npy.read_bytes(), json.loads(read_parquet(inputs.table).to_json())
    inputs.make(view, CLIP)
    assert (inputs.npy.read_bytes(), json.loads(read_parquet(inputs.table).to_json())) == first


def test_each_sample_has_the_frames_and_the_nose_of_its_own_source(tmp_path):
    """Whatever the order of samples, manifest and faces."""
    grey = {name: [np.full((60, 60, 3), value, np.uint8)] * 3 for name, value in (("toy/a", 50), ("toy/b", 200))}
    inputs = InputsOfClips(tmp_path, grey)
    transform = np.array([[1 / 60, 0, 0], [0, 1 / 60, 0]])
    faces = face_rows(["toy/c", "toy/b", "toy/a"], transform=transform)
    noses = {"toy/c": (9.5, 9.5), "toy/b": (19.5, 29.5), "toy/a": (29.5, 39.5)}
    faces["landmarks"] = [[0.0] * 4 + list(noses[name]) for name in faces["sample_id"]]
    array, table = inputs.make({"kind": "still", "size": 30}, {"toy/b": [0], "toy/a": [1]}, faces)
    assert [image.min() for image in array] == [image.max() for image in array] == [200, 50]
    half = [to_aligned(transform, np.array(noses[name]), 30) for name in ("toy/b", "toy/a")]
    np.testing.assert_allclose(table[["nose_x", "nose_y"]].to_numpy(), half)
