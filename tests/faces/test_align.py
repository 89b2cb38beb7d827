"""The faces table."""

import numpy as np
import pytest

from fernas.core.errors import ContractError, DataError
from fernas.faces.align import align_manifest, merge_faces
from fernas.faces.geometry import to_aligned
from tests.fixtures.aligned_faces import CONFIG, GREY, align, quiet, stills
from tests.fixtures.rendered_clips import Shelf, clip, manifest, still


def test_without_any_face_the_canonical_nose_stands_in():
    faces, _ = align(manifest({"toy/none": 1}), Shelf({"toy/none": [GREY]}))
    nose = to_aligned(np.reshape(faces["transform"][0], (2, 3)), np.array(faces["landmarks"][0][4:]))
    np.testing.assert_allclose(nose + 0.5, [0.5, 0.34 + 0.55 * 0.38])


def test_no_face_is_a_row_with_its_reason_and_a_centre_crop():
    shelf = Shelf({"toy/0": [still(0)[0]], "toy/none": [GREY] * 3})
    faces, previews = align(manifest({"toy/0": 1, "toy/none": 3}), shelf)
    row = faces.iloc[1]
    assert (row["status"], row["detector"], row["landmarker"]) == ("no_face", "none", "none")
    assert "no face in 3 frames of 160x120 px" in row["reason"]
    np.testing.assert_allclose(np.reshape(row["transform"], (2, 3)) @ [80, 60, 1], [0.5, 0.5])
    assert row["nose_source"] == "mean"
    aligned = [to_aligned(np.reshape(f.transform, (2, 3)), np.array(f.landmarks[4:])) for f in faces.itertuples()]
    np.testing.assert_allclose(aligned[1], aligned[0], atol=1e-9)
    assert (previews[1] == 90).all()


def test_an_unreadable_frame_is_stepped_over_and_named_when_none_is_left():
    frames, _ = clip()

    def read(dataset, ref):
        if ref.startswith("toy/bad") or ref == "toy/c#0":
            raise DataError(f"{ref}: truncated image")
        return frames[int(ref.rsplit("#", 1)[1])]

    table = manifest({"toy/c": 4, "toy/bad": 2})
    faces, previews = align_manifest(table, read, None, {}, CONFIG, quiet)
    assert faces["status"].tolist() == ["ok", "no_face"]
    assert faces["reference_frame"][0] == 1
    assert faces["reason"][1] == "unreadable: toy/bad#0: truncated image"
    assert faces["transform"][1] is None and not previews[1].any()


def test_composite_takes_the_rows_of_its_parts_in_its_own_order():
    table, shelf = stills(3)
    faces, previews = align(table, shelf)
    parts = [faces.iloc[:2], faces.iloc[2:]]
    whole = manifest({"toy/2": 1, "toy/0": 1})
    merged, images = merge_faces(whole, parts, [previews[:2], previews[2:]])
    assert merged["sample_id"].tolist() == ["toy/2", "toy/0"]
    np.testing.assert_array_equal(images, previews[[2, 0]])
    with pytest.raises(ContractError, match="toy/9"):
        merge_faces(manifest({"toy/9": 1}), parts, [previews[:2], previews[2:]])
