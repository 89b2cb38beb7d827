"""CK+ against trees typed by hand."""

import numpy as np
import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.ckplus import EXPECTED, write_ckplus
from tests.fixtures.manifests import reasons


def test_ckplus_reads_labelled_sequences_only(tmp_path):
    write_ckplus(tmp_path)
    table = build_manifest("ckplus", tmp_path)
    assert {r["sample_id"]: (r["label"], len(r["frames"])) for r in table.to_dict("records")} == EXPECTED
    assert table["excluded"].isna().all()
    first = table.iloc[0]
    assert first["subject"] == "ckplus/S005" and first["raw_label"] == "3"
    assert first["frames"][0] == "cohn-kanade-images/S005/001/S005_001_00000001.png"
    assert (first["onset"], first["apex"], first["offset"], first["apex_source"]) == (0, 10, 10, "last")
    assert table.attrs["problems"] == []


def test_ckplus_landmarks_give_eyes_and_nose(tmp_path):
    write_ckplus(tmp_path)
    adapter = plugins.load("datasets", "ckplus")
    row = build_manifest("ckplus", tmp_path).iloc[0]
    points = adapter.own_landmarks(tmp_path, row)
    # point i lies at (40 + 1.5 i, 20 + i): eyes are points 36-41 and 42-47, the nose tip is point 30
    assert points == pytest.approx(np.array([[40 + 1.5 * 38.5, 58.5], [40 + 1.5 * 44.5, 64.5], [85, 50]]))
    assert adapter.read_frame(tmp_path, row["frames"][3]).shape == (48, 64, 3)


def test_ckplus_in_wrapper_folders_with_lower_case(tmp_path):
    write_ckplus(tmp_path / "CK+/extended-cohn-kanade-images")
    (tmp_path / "CK+/extended-cohn-kanade-images/Emotion").rename(tmp_path / "CK+/emotion")
    assert set(build_manifest("ckplus", tmp_path)["sample_id"]) == set(EXPECTED)


def test_ckplus_peak_without_image_is_excluded_and_said(tmp_path):
    write_ckplus(tmp_path)
    (tmp_path / "cohn-kanade-images/S010/001/S010_001_00000005.png").unlink()
    table = build_manifest("ckplus", tmp_path)
    assert len(table) == len(EXPECTED)
    assert "peak frame 5 has no image" in reasons(table)["ckplus/S010/001"]
    assert any("peak frame 5" in problem for problem in table.attrs["problems"])


def test_ckplus_label_that_is_no_number_names_the_file(tmp_path):
    write_ckplus(tmp_path)
    (tmp_path / "Emotion/S010/001/S010_001_00000005_emotion.txt").write_text("surprise\n")
    with pytest.raises(DataError, match=r"S010_001_00000005_emotion.txt: line 1: got 'surprise'"):
        build_manifest("ckplus", tmp_path)
