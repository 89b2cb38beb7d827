"""SMIC against trees typed by hand."""

import pytest

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.smic import EXPECTED, write_smic_cropped, write_smic_extended, write_smic_raw
from tests.fixtures.manifests import reasons, spans


def test_smic_cropped_takes_labels_from_folders_and_the_middle_as_apex(tmp_path):
    write_smic_cropped(tmp_path)
    table = build_manifest("smic", tmp_path)
    assert spans(table) == EXPECTED
    assert reasons(table) == {"smic/s18/s18_sur_03": "no images in the clip's folder"}
    assert any("s3_po_08: 2 frames are missing" in p for p in table.attrs["problems"])


@pytest.mark.parametrize(("camera", "fps"), [("VIS", 25.0), ("NIR", 25.0)])
def test_smic_other_cameras(tmp_path, camera, fps):
    write_smic_cropped(tmp_path)
    table = build_manifest("smic", tmp_path, {"camera": camera})
    assert list(table["sample_id"]) == ["smic/s11/s11_po_01"] and table["fps"][0] == fps
    assert all(f"/{camera}/" in ref for ref in table["frames"][0])


def test_smic_raw(tmp_path):
    write_smic_raw(tmp_path)
    assert spans(build_manifest("smic", tmp_path)) == {
        "smic/s1/s1_ne_01": ("negative", 0, 3, 6, "middle"), "smic/s2/s2_po_03": ("positive", 0, 3, 6, "middle"),
    }  # fmt: skip


def test_smic_extended_reads_the_annotation(tmp_path):
    write_smic_extended(tmp_path)
    assert spans(build_manifest("smic", tmp_path)) == {
        "smic/s1/s1_ne_01": ("negative", 10, 12, 14, "middle"),
        "smic/s1/s1_sur_02": ("surprise", 5, 7, 9, "middle"),
        "smic/s1/s1_sur_02#2": ("surprise", 14, 16, 18, "middle"),
        "smic/s20/s20_po_01": ("positive", 6, 8, 11, "middle"),  # FirstF is 1, the files begin with 101
    }
