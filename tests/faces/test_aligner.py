"""The face of one sample: which frame, which box, which landmarks."""

import numpy as np
import pytest

from fernas.core.config import FacesConfig
from fernas.core.errors import DataError
from fernas.faces.geometry import to_aligned
from tests.fixtures.aligned_faces import GREY, align
from tests.fixtures.rendered_clips import Shelf, clip, manifest, still


def test_a_clip_takes_its_first_good_frame_for_all():
    frames, truth = clip()
    blank = np.full_like(frames[0], 128)
    shelf = Shelf({"toy/c": [blank, blank, *frames[2:]]})
    faces, _ = align(manifest({"toy/c": len(frames)}), shelf)
    assert faces["reference_frame"][0] == 2 and faces["status"][0] == "ok"
    found = np.reshape(faces["landmarks"][0], (3, 2))
    assert np.linalg.norm(found - truth[2], axis=1).max() < 0.15 * np.linalg.norm(truth[2][1] - truth[2][0])
    assert shelf.reads == ["toy/c#0", "toy/c#1", "toy/c#2"]
    limited, _ = align(manifest({"toy/c": len(frames)}), shelf, FacesConfig(max_tries=2))
    assert limited["status"][0] == "no_face"


def test_the_onset_is_tried_first():
    frames, _ = clip()
    table = manifest({"toy/c": len(frames)}, onset=[3])
    faces, _ = align(table, Shelf({"toy/c": frames}))
    assert faces["reference_frame"][0] == 3


def test_the_datasets_own_box_and_landmarks_come_last():
    shelf = Shelf({"toy/a": [GREY], "toy/b": [GREY]})
    table = manifest({"toy/a": 1, "toy/b": 1}, box=[[40, 20, 120, 100], None])
    own = np.array([[60.0, 50.0], [100.0, 50.0], [80.0, 75.0]])
    boxed, _ = align(table, shelf, FacesConfig(landmarkers=("dataset",)))
    assert boxed["detector"].tolist() == ["dataset_box", "none"]
    assert boxed["landmarker"].tolist() == ["box", "none"]
    np.testing.assert_allclose(np.reshape(boxed["transform"][0], (2, 3)) @ [80, 60, 1], [0.5, 0.5])
    marked, _ = align(table, shelf, FacesConfig(landmarkers=("dataset",)), own=lambda row: own)
    assert marked["landmarker"].tolist() == ["dataset", "dataset"]
    assert marked["status"].tolist() == ["ok", "ok"]
    np.testing.assert_allclose(np.array(marked["landmarks"].tolist()), np.tile(own.ravel(), (2, 1)))


def test_implausible_landmarks_of_a_dataset_are_not_believed():
    swapped = np.array([[100.0, 50.0], [60.0, 50.0], [80.0, 75.0]])
    faces, _ = align(manifest({"toy/a": 1}), Shelf({"toy/a": [GREY]}), own=lambda row: swapped)
    assert faces["status"][0] == "no_face"


def test_shipped_crops_are_taken_whole():
    frame, truth = still(2, 128)
    crop = frame[20:110, 20:110]
    faces, previews = align(manifest({"toy/a": 1}), Shelf({"toy/a": [crop]}), ships=True)
    row = faces.iloc[0]
    assert (row["status"], row["detector"]) == ("shipped", "shipped")
    np.testing.assert_allclose(row["transform"], [1 / 90, 0, 0, 0, 1 / 90, 0])
    assert row["landmarks"][4:] == pytest.approx(truth[2] - 20, abs=0.2 * np.linalg.norm(truth[1] - truth[0]))
    assert previews.shape == (1, 64, 64, 3)


def test_shipped_crops_are_aligned_by_their_landmarks_where_the_config_says_so():
    own = np.array([[30.0, 30.0], [60.0, 40.0], [42.0, 52.0]])
    config = FacesConfig(crops="aligned", landmarkers=("dataset",))
    shelf = Shelf({"toy/a": [GREY[:90, :90]], "toy/b": [GREY[:90, :90]]})
    table = manifest({"toy/a": 1, "toy/b": 1})
    faces, _ = align(table, shelf, config, lambda row: own if row["sample_id"] == "toy/a" else None, ships=True)
    assert faces["status"].tolist() == ["shipped", "shipped"]
    eyes = to_aligned(np.reshape(faces["transform"][0], (2, 3)), own[:2]) + 0.5
    np.testing.assert_allclose(eyes, [[0.31, 0.34], [0.69, 0.34]])
    # without landmarks a crop is still taken whole
    np.testing.assert_allclose(faces["transform"][1], [1 / 90, 0, 0, 0, 1 / 90, 0])


def test_the_datasets_own_landmarks_serve_the_first_frame_alone():
    own = np.array([[60.0, 50.0], [100.0, 50.0], [80.0, 75.0]])

    class Torn(Shelf):
        def read(self, dataset, ref):
            if ref == "toy/c#0":
                raise DataError("torn")
            return super().read(dataset, ref)

    for shelf, status in ((Shelf, "ok"), (Torn, "no_face")):
        faces, _ = align(manifest({"toy/c": 3}), shelf({"toy/c": [GREY] * 3}), own=lambda row: own)
        assert faces["status"][0] == status, "on a later frame the face may have moved"
