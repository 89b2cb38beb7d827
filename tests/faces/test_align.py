"""Detection, landmarks and alignment on rendered faces."""

import builtins

import numpy as np
import pytest

from fernas.core.config import FacesConfig
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.faces import _dlib
from fernas.faces.align import COLUMNS, align_manifest, merge_faces
from fernas.faces.geometry import to_aligned
from tests.fixtures.rendered_clips import Shelf, clip, manifest, still

CONFIG = FacesConfig()
GREY = np.full((120, 160, 3), 90, np.uint8)


def quiet(items, total=None, desc=""):
    return items


def align(table, shelf, config=CONFIG, own=None, ships=False):
    return align_manifest(table, shelf.read, own, {"toy": ships}, config, quiet)


def stills(count, size_px=192):
    shelf = Shelf({f"toy/{n}": [still(n, size_px)[0]] for n in range(count)})
    return manifest({name: 1 for name in shelf.clips}), shelf


def errors(faces, size_px=192):
    """Distance of eyes and nose from the truth, in eye distances: (N, 3)."""
    truth = np.stack([still(n, size_px)[1] for n in range(len(faces))])
    found = np.array(faces["landmarks"].tolist()).reshape(-1, 3, 2)
    eye_distance = np.linalg.norm(truth[:, 1] - truth[:, 0], axis=1)
    return np.linalg.norm(found - truth, axis=2) / eye_distance[:, None]


@pytest.mark.parametrize(("size_px", "count"), [(128, 6), (192, 12)])
def test_rendered_faces_are_found_and_their_eyes_are_right(size_px, count):
    table, shelf = stills(count, size_px)
    faces, previews = align(table, shelf)
    assert list(faces.columns) == list(COLUMNS)
    assert faces["status"].tolist() == ["ok"] * count
    assert set(faces["detector"]) == {"dlib"}
    assert previews.shape == (count, 64, 64, 3) and previews.dtype == np.uint8
    off = errors(faces, size_px)
    assert off[:, :2].max() < 0.12, "eyes, share of the eye distance"
    assert off[:, 2].mean() < 0.12, "nose tip, share of the eye distance"
    for row, (_, truth) in zip(faces["transform"], [still(n, size_px) for n in range(count)], strict=True):
        eyes = to_aligned(np.reshape(row, (2, 3)), truth[:2])
        np.testing.assert_allclose(eyes + 0.5, [[0.31, 0.34], [0.69, 0.34]], atol=0.05)


@pytest.mark.parametrize(
    ("config", "detector", "landmarkers", "limit"),
    [
        (FacesConfig(detectors=("haar",)), "haar", {"dlib5"}, 0.12),
        (FacesConfig(landmarkers=("eye_cascades",)), "dlib", {"eye_cascades", "box"}, 0.35),
        (FacesConfig(landmarkers=()), "dlib", {"box"}, 0.35),
        (FacesConfig(detectors=("haar",), landmarkers=()), "haar", {"box"}, 0.35),
    ],
)
def test_each_link_of_the_chains_serves_when_the_ones_before_are_off(config, detector, landmarkers, limit):
    table, shelf = stills(6)
    faces, _ = align(table, shelf, config)
    assert set(faces["status"]) == {"ok"} and set(faces["detector"]) == {detector}
    assert set(faces["landmarker"]) <= landmarkers
    assert errors(faces)[:, :2].max() < limit


def test_a_small_face_needs_the_doubled_image():
    frame, truth = still(1, 96)
    shelf = Shelf({"toy/1": [frame]})
    plain, _ = align(manifest({"toy/1": 1}), shelf, FacesConfig(detectors=("dlib",)))
    assert plain["detector"][0] == "dlib"
    found = np.reshape(plain["landmarks"][0], (3, 2))
    assert np.linalg.norm(found[:2] - truth[:2], axis=1).max() < 0.15 * np.linalg.norm(truth[1] - truth[0])


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


def test_without_any_face_the_canonical_nose_stands_in():
    faces, _ = align(manifest({"toy/none": 1}), Shelf({"toy/none": [GREY]}))
    nose = to_aligned(np.reshape(faces["transform"][0], (2, 3)), np.array(faces["landmarks"][0][4:]))
    np.testing.assert_allclose(nose + 0.5, [0.5, 0.34 + 0.55 * 0.38])


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


def test_missing_dlib_is_one_error_that_names_the_package(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "dlib":
            raise ImportError("No module named 'dlib'")
        return real(name, *args, **kwargs)

    _dlib._dlib.cache_clear()
    _dlib._hog_detector.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match="dlib-bin"):
        align(*stills(1))
    monkeypatch.undo()
    _dlib._dlib.cache_clear()
    _dlib._hog_detector.cache_clear()


def test_missing_and_broken_model_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.dat"):
        align(*stills(1), FacesConfig(landmark_model=str(tmp_path / "nowhere.dat")))
    broken = tmp_path / "broken.dat"
    broken.write_bytes(b"no model")
    with pytest.raises(ConfigError, match="broken.dat is not a dlib shape predictor"):
        align(*stills(1), FacesConfig(landmark_model=str(broken)))


def test_without_the_five_point_model_the_eye_cascades_serve(monkeypatch, caplog):
    monkeypatch.setattr("fernas.faces.find.five_point_model", lambda: None)
    faces, _ = align(*stills(4))
    assert set(faces["landmarker"]) <= {"eye_cascades", "box"} and "eye_cascades" in set(faces["landmarker"])
    assert caplog.text.count("no five-point landmark model") == 1
