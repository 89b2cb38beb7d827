"""ISED against trees typed by hand."""

import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.ised import write_ised
from tests.fixtures.manifests import reasons, spans


@pytest.mark.parametrize("table", ["csv", "mat"])
def test_ised_videos_and_peaks(tmp_path, table):
    write_ised(tmp_path, table)
    manifest = build_manifest("ised", tmp_path)
    assert spans(manifest) == {
        "ised/1/4": ("happiness", 0, 6, 9, "annotated"), "ised/1/5": ("surprise", 0, 9, 9, "annotated"),
        "ised/5/3": ("sadness", 0, 3, 9, "annotated"),
    }  # fmt: skip
    assert reasons(manifest) == {"ised/26/7": "the peak frame 12 is not among the video's 10 frames"}
    adapter = plugins.load("datasets", "ised")
    frames = manifest["frames"][0]
    for n in (6, 2, 3, 3, 9):  # forwards, backwards and again: always the right frame
        grey = adapter.read_frame(tmp_path, frames[n])[30:, :, 0]
        assert abs(float(grey.mean()) - (20 * n + 12)) < 3
    with pytest.raises(DataError, match="the video ends after 10 frames"):
        adapter.read_frame(tmp_path, frames[0].replace("#0", "#10"))


def test_ised_peak_images_and_boxes(tmp_path):
    write_ised(tmp_path, "mat")
    table = build_manifest("ised", tmp_path, {"images": "peaks", "face_box": "xywh"})
    assert list(table["kind"].unique()) == ["still"] and list(table["frames"][0]) == ["peakImages/1_4_7.jpg"]
    assert table["box"][0] == [10, 12, 40, 44] and table["excluded"].isna().all()


def test_ised_unreadable_table_says_what_to_do(tmp_path):
    write_ised(tmp_path)
    (tmp_path / "ised_details.csv").unlink()
    (tmp_path / "ISED_details.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b"\0" * 200)
    with pytest.raises(DataError, match="ISED_details.mat: not a readable .mat file.*write it as csv"):
        build_manifest("ised", tmp_path)
