"""CASME against trees typed by hand."""

import pytest

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme import write_casme
from tests.fixtures.manifests import reasons, spans


@pytest.mark.parametrize(("images", "stem"), [("auto", "EP01_5-"), ("cropped", "reg_EP01_5-")])
def test_casme_last_digit_group_is_the_frame(tmp_path, images, stem):
    write_casme(tmp_path)
    table = build_manifest("casme", tmp_path, {"images": images})
    assert spans(table) == {
        "casme/sub01/EP01_5": ("disgust", 3, 7, 14, "annotated"),
        "casme/sub01/EP03_1": ("tense", 3, 6, 10, "annotated"),
        "casme/sub07/EP02_2f": ("surprise", 3, 6, 12, "annotated"),
    }  # fmt: skip
    assert reasons(table) == {"casme/sub02/EP06_3": "onset 40 after apex 38"}
    assert table["frames"][0][3].endswith(f"{stem}126.jpg")
    frames = [ref.rsplit("-", 1)[1] for ref in table["frames"][1]]
    assert frames == [f"{n}.jpg" for n in range(2, 16)]
