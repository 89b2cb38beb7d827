"""Detectors and landmarkers on rendered faces."""

import numpy as np
import pytest

from fernas.core.config import FacesConfig
from fernas.core.errors import ConfigError
from fernas.faces.align import COLUMNS
from fernas.faces.geometry import to_aligned
from tests.fixtures.aligned_faces import align, errors, stills
from tests.fixtures.rendered_clips import Shelf, manifest, still


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
