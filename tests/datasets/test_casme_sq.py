"""CAS(ME)^2 against trees typed by hand."""

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme_sq import EXPECTED, write_casme_sq
from tests.fixtures.dataset_trees.files import write_image
from tests.fixtures.manifests import reasons, spans


def test_casme_sq_sheets_without_headers(tmp_path):
    write_casme_sq(tmp_path)
    table = build_manifest("casme_sq", tmp_path)
    assert spans(table) == EXPECTED and reasons(table) == {}
    assert (table["group"][2:4] == "casme_sq/s16/anger2_3").all()
    assert any(ref.endswith("img2977.jpg.jpg") for ref in table["frames"][1])


def test_casme_sq_subsets_and_crops(tmp_path):
    write_casme_sq(tmp_path)
    micro = build_manifest("casme_sq", tmp_path, {"subset": "micro", "images": "cropped"})
    assert reasons(micro) == {"casme_sq/s16/disgust1_2": "no images of clip s16/disgust1_2"}
    assert len(micro) == 3 and micro.attrs["expected"]["classes"]["negative"] == 21
    assert micro["frames"][0][0].startswith("cropped/16/")
    assert len(build_manifest("casme_sq", tmp_path, {"subset": "macro"})) == 2


def test_casme_sq_long_videos_keep_only_the_expression(tmp_path):
    write_casme_sq(tmp_path)
    for folder in ("selectedpic", "cropped"):
        (tmp_path / folder).rename(tmp_path / f"away_{folder}")
    for subject, code, count in (("s15", "0401", 580), ("s16", "0101", 120)):
        for n in range(1, count + 1):
            write_image(tmp_path / f"rawpic/{subject}/{subject[1:]}_{code}text/img{n:03d}.jpg", (16, 16), n)
    table = build_manifest("casme_sq", tmp_path, {"images": "raw"})
    assert spans(table) == {
        "casme_sq/s15/anger1_1": ("negative", 0, 5, 13, "annotated"),
        "casme_sq/s16/disgust1_2": ("negative", 0, 3, 6, "annotated"),  # an offset of 0: as far behind the apex
    }
    assert len(table["frames"][0]) == 14 and table["frames"][0][0].endswith("img557.jpg")
