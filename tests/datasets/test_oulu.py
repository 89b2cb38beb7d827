"""Oulu-CASIA against trees typed by hand."""

import pytest

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.oulu import write_oulu
from tests.fixtures.manifests import reasons, spans


@pytest.mark.parametrize(
    "top", ["OriginalImg/VL", "B_OriginalImg/B_OriginalImg/OriginalImg/VL", "PreProcess_Img/VL_Acropped"]
)
def test_oulu_strong(tmp_path, top):
    write_oulu(tmp_path, top)
    write_oulu(tmp_path, "OriginalImg/NI")
    table = build_manifest("oulu", tmp_path)
    assert spans(table) == {
        "oulu/P001/Anger": ("anger", 0, 8, 8, "last"), "oulu/P001/Happiness": ("happiness", 0, 11, 11, "last"),
        "oulu/P001/Surprise": ("surprise", 0, 14, 14, "last"), "oulu/P002/Disgust": ("disgust", 0, 9, 9, "last"),
        "oulu/P002/Fear": ("fear", 0, 8, 8, "last"), "oulu/P002/Sadness": ("sadness", 0, 10, 10, "last"),
    }  # fmt: skip
    assert reasons(table) == {"oulu/P002/Anger": "no images in the clip's folder"}
    assert all(ref.startswith(top + "/Strong/") for ref in table["frames"][0])
    assert list(build_manifest("oulu", tmp_path, {"lighting": "Weak"})["sample_id"]) == ["oulu/P001/Anger"]
    near = build_manifest("oulu", tmp_path, {"camera": "NI"})
    assert len(near) == 7 and "/NI/" in near["frames"][0][0]
