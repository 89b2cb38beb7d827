"""CASME II against trees typed by hand."""

import shutil

import pytest

from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme2 import EXPECTED, write_casme2
from tests.fixtures.manifests import reasons, spans


@pytest.mark.parametrize("kind", ["Cropped", "CASME2_RAW_selected"])
def test_casme2_positions_come_from_frame_numbers(tmp_path, kind):
    write_casme2(tmp_path, kind)
    table = build_manifest("casme2", tmp_path)
    assert spans(table) == EXPECTED
    assert reasons(table) == {}
    assert table["subject"].iloc[-1] == "casme2/sub26" and (table["fps"] == 200).all()
    first = table.iloc[0]
    assert first["frames"][0].endswith("img46.jpg") and first["frames"][-1].endswith("img55.jpg")


def test_casme2_whole_raw_clips(tmp_path):
    write_casme2(tmp_path, "CASME2-RAW")
    table = build_manifest("casme2", tmp_path)
    row = table.iloc[0]
    assert (row["onset"], row["apex"], row["offset"], len(row["frames"])) == (45, 49, 54, 60)
    assert row["frames"][8].endswith("img9.jpg") and row["frames"][9].endswith("img10.jpg")


def test_casme2_doubled_folder_and_choice_of_images(tmp_path):
    write_casme2(tmp_path, "CASME2_RAW_selected")
    (tmp_path / "CASME2_RAW_selected").rename(tmp_path / "x")
    (tmp_path / "CASME2_RAW_selected").mkdir()
    (tmp_path / "x").rename(tmp_path / "CASME2_RAW_selected/CASME2_RAW_selected")
    write_casme2(tmp_path, "Cropped")
    auto = build_manifest("casme2", tmp_path)
    assert auto["frames"][0][0].startswith("CASME2_RAW_selected/")
    assert build_manifest("casme2", tmp_path, {"images": "cropped"})["frames"][0][0].startswith("Cropped/")
    shutil.rmtree(tmp_path / "Cropped/sub26")
    assert "Cropped" not in str(build_manifest("casme2", tmp_path)["frames"].to_list())
    table = build_manifest("casme2", tmp_path, {"images": "selected"})
    assert spans(table) == EXPECTED
    assert table["frames"][0][0].startswith("CASME2_RAW_selected/CASME2_RAW_selected/sub01")


def test_casme2_apex_rule_exclude(tmp_path):
    write_casme2(tmp_path)
    table = build_manifest("casme2", tmp_path, {"missing_apex": "exclude"})
    assert reasons(table) == {"casme2/sub04/EP12_01f": "no apex annotated"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [(4, 999, "apex 999 after offset 55"), (3, 54, "onset 54 after apex 50"), (3, 40, "onset frame 40 has no image"),
     (3, 60, "onset 60 after offset 55")],
)  # fmt: skip
def test_casme2_contradicting_annotation_is_excluded_and_said(tmp_path, column, value, reason):
    import openpyxl

    write_casme2(tmp_path)
    book = openpyxl.load_workbook(tmp_path / "CASME2-coding-20140508.xlsx")
    book.worksheets[0].cell(2, column + 1).value = value
    book.save(tmp_path / "CASME2-coding-20140508.xlsx")
    table = build_manifest("casme2", tmp_path)
    assert len(table) == len(EXPECTED)
    assert reason in reasons(table)["casme2/sub01/EP01_2"]
    assert any("row 2" in p and reason in p for p in table.attrs["problems"])


def test_casme2_text_in_a_frame_cell_names_row_and_column(tmp_path):
    write_casme2(tmp_path, apex="unknown")
    with pytest.raises(DataError, match=r"20140508.xlsx: row 5, column apex: got 'unknown', expected a whole number"):
        build_manifest("casme2", tmp_path)


def test_casme2_missing_folder_is_a_row_and_a_problem(tmp_path):
    write_casme2(tmp_path)
    shutil.rmtree(tmp_path / "Cropped/sub02/EP09f")
    table = build_manifest("casme2", tmp_path)
    assert reasons(table) == {"casme2/sub02/EP09f": "no images of clip sub02/EP09f"}
    assert any("row 4" in p and "EP09f" in p for p in table.attrs["problems"])
