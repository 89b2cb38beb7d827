"""CK+, FER2013, CASME II, SAMM, SMIC and MEGC2019 against trees typed by hand."""

import shutil

import numpy as np
import pytest

from fernas.core import plugins
from fernas.core.errors import ConfigError, DataError
from fernas.core.io import read_parquet, write_parquet
from fernas.datasets.manifest import build_manifest, merge_manifests, validate_manifest
from tests.datasets import trees


def spans(table):
    kept = table[table["excluded"].isna()]
    return {
        r["sample_id"]: (r["label"], int(r["onset"]), int(r["apex"]), int(r["offset"]), r["apex_source"])
        for r in kept.to_dict("records")
    }


def reasons(table):
    return table[table["excluded"].notna()].set_index("sample_id")["excluded"].to_dict()


# ------------------------------------------------------------------------------------------------ CK+


def test_ckplus_reads_labelled_sequences_only(tmp_path):
    trees.ckplus(tmp_path)
    table = build_manifest("ckplus", tmp_path)
    assert {r["sample_id"]: (r["label"], len(r["frames"])) for r in table.to_dict("records")} == trees.CKPLUS
    assert table["excluded"].isna().all()
    first = table.iloc[0]
    assert first["subject"] == "ckplus/S005" and first["raw_label"] == "3"
    assert first["frames"][0] == "cohn-kanade-images/S005/001/S005_001_00000001.png"
    assert (first["onset"], first["apex"], first["offset"], first["apex_source"]) == (0, 10, 10, "last")
    assert table.attrs["problems"] == []


def test_ckplus_landmarks_give_eyes_and_nose(tmp_path):
    trees.ckplus(tmp_path)
    adapter = plugins.load("datasets", "ckplus")
    row = build_manifest("ckplus", tmp_path).iloc[0]
    points = adapter.own_landmarks(tmp_path, row)
    # point i lies at (40 + 1.5 i, 20 + i): eyes are points 36-41 and 42-47, the nose tip is point 30
    assert points == pytest.approx(np.array([[40 + 1.5 * 38.5, 58.5], [40 + 1.5 * 44.5, 64.5], [85, 50]]))
    assert adapter.read_frame(tmp_path, row["frames"][3]).shape == (48, 64, 3)


def test_ckplus_in_wrapper_folders_with_lower_case(tmp_path):
    trees.ckplus(tmp_path / "CK+/extended-cohn-kanade-images")
    (tmp_path / "CK+/extended-cohn-kanade-images/Emotion").rename(tmp_path / "CK+/emotion")
    assert set(build_manifest("ckplus", tmp_path)["sample_id"]) == set(trees.CKPLUS)


def test_ckplus_peak_without_image_is_excluded_and_said(tmp_path):
    trees.ckplus(tmp_path)
    (tmp_path / "cohn-kanade-images/S010/001/S010_001_00000005.png").unlink()
    table = build_manifest("ckplus", tmp_path)
    assert len(table) == len(trees.CKPLUS)
    assert "peak frame 5 has no image" in reasons(table)["ckplus/S010/001"]
    assert any("peak frame 5" in problem for problem in table.attrs["problems"])


def test_ckplus_label_that_is_no_number_names_the_file(tmp_path):
    trees.ckplus(tmp_path)
    (tmp_path / "Emotion/S010/001/S010_001_00000005_emotion.txt").write_text("surprise\n")
    with pytest.raises(DataError, match=r"S010_001_00000005_emotion.txt: line 1: got 'surprise'"):
        build_manifest("ckplus", tmp_path)


def test_manifest_survives_parquet(tmp_path):
    trees.ckplus(tmp_path / "dataset")
    table = build_manifest("ckplus", tmp_path / "dataset")
    table.attrs["problems"] = ["odd"]
    write_parquet(tmp_path / "m.parquet", table)
    again = validate_manifest(read_parquet(tmp_path / "m.parquet"))
    assert again.attrs == table.attrs
    assert [list(f) for f in again["frames"]] == list(table["frames"])
    assert again["split"].isna().all() and again["onset"].dtype == "Int64"


# ------------------------------------------------------------------------------------------------ FER2013


@pytest.mark.parametrize("write", [trees.fer2013_csv, trees.fer2013_icml])
def test_fer2013_csv_in_both_header_styles(tmp_path, write):
    write(tmp_path)
    table = build_manifest("fer2013", tmp_path)
    assert list(table["sample_id"][:2]) == ["fer2013/PrivateTest/24", "fer2013/PrivateTest/25"]
    table = table.iloc[[*range(12, 30), *range(6, 12), *range(6)]].reset_index(drop=True)
    words = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert list(table["label"]) == [words[code] for code in trees.FER_LABELS]
    assert list(table["split"]) == trees.FER_USAGE
    assert table["subject"].isna().all() and (table["kind"] == "still").all()
    adapter = plugins.load("datasets", "fer2013")
    for row in (0, 17, 29):
        frame = adapter.read_frame(tmp_path, table["frames"][row][0])
        assert table["sample_id"][row].endswith(f"/{row}") and table["frames"][row][0].endswith(f"#{row}")
        assert frame.shape == (48, 48, 3) and (frame[:, :, 1] == trees.fer_pixels(row)).all()
    assert table["sha256"].nunique() == 30


def test_fer2013_root_may_be_the_file_itself(tmp_path):
    trees.fer2013_csv(tmp_path)
    table = build_manifest("fer2013", tmp_path / "fer2013.csv")
    assert len(table) == 30
    frame = plugins.load("datasets", "fer2013").read_frame(tmp_path / "fer2013.csv", table["frames"][3][0])
    assert (frame[:, :, 0] == trees.fer_pixels(27)).all()


def test_fer2013_h5_equals_csv(tmp_path):
    trees.fer2013_csv(tmp_path / "csv")
    trees.fer2013_h5(tmp_path / "h5")
    one, two = build_manifest("fer2013", tmp_path / "csv"), build_manifest("fer2013", tmp_path / "h5")
    assert sorted(zip(one["sha256"], one["label"], one["split"], strict=True)) == sorted(
        zip(two["sha256"], two["label"], two["split"], strict=True)
    )


def test_fer2013_folders_take_the_split_from_the_names(tmp_path):
    trees.fer2013_folders(tmp_path)
    table = build_manifest("fer2013", tmp_path)
    assert len(table) == 30 and table["split"].value_counts().to_dict() == {
        "Training": 18,
        "PublicTest": 6,
        "PrivateTest": 6,
    }
    assert table["label"].value_counts()["happiness"] == trees.FER_LABELS.count(3)


def test_fer2013_folders_without_split_in_the_names_say_so(tmp_path):
    trees.fer2013_folders(tmp_path)
    one = next((tmp_path / "test/happy").iterdir())
    one.rename(one.with_name("im0.jpg"))
    table = build_manifest("fer2013", tmp_path)
    assert len(table) == 30 and table["split"].isna().all()
    assert any("official protocol is refused" in problem for problem in table.attrs["problems"])


def test_ferplus_majority_joined_by_row(tmp_path):
    trees.fer2013_csv(tmp_path)
    trees.ferplus(tmp_path)
    table = build_manifest("fer2013", tmp_path, {"labels": "ferplus"})
    assert len(table) == 30
    labels = table.set_index("sample_id")["label"]
    assert [labels[f"fer2013/Training/{row}"] for row in (0, 7, 9)] == ["anger", "happiness", "contempt"]
    why = reasons(table)
    assert "no majority" in why["fer2013/Training/1"] and "not a face" in why["fer2013/Training/4"]


@pytest.mark.parametrize(
    ("row", "line", "message"),
    [
        (5, "3,1 2 3,Training", "row 5: got 3 pixels, expected 2304"),
        (5, "9," + "7 " * 2303 + "7,Training", "row 5: got emotion '9'"),
        (5, "3," + "7 " * 2303 + "300,Training", "row 5: got pixel 300"),
        (5, "3," + "7 " * 2303 + "x,Training", "row 5: got 'x' among the pixels"),
        (5, "3," + "7 " * 2303 + "7x7,Training", "row 5: got '7x7' among the pixels"),
        (5, "3," + "7 " * 2303 + "7 x 7,Training", "row 5: got 'x' among the pixels"),
        (5, "3,,Training", "row 5: got 0 pixels"),
        (5, "3," + "7 " * 2303 + "7,Test", "row 5: got Usage 'Test'"),
        (5, "3," + "7 " * 2303 + "7", "line 6: got 2 cells, expected 3"),
        (5, "3," + "7 " * 2303 + "-7,Training", "row 5: got '-7' among the pixels"),
    ],
)
def test_fer2013_bad_row_is_named(tmp_path, row, line, message):
    trees.fer2013_csv(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().split("\n")
    lines[row] = line
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="fer2013.csv: " + message):
        build_manifest("fer2013", tmp_path)


def test_fer2013_two_wrong_rows_that_cancel_are_found(tmp_path):
    trees.fer2013_csv(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().split("\n")
    lines[3] = "3," + "7 " * 2302 + "7,Training"
    lines[4] = "3," + "7 " * 2304 + "7,Training"
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="row 3: got 2303 pixels"):
        build_manifest("fer2013", tmp_path)


def test_unknown_option_is_a_config_error_with_a_hint(tmp_path):
    trees.fer2013_csv(tmp_path)
    with pytest.raises(ConfigError, match=r"datasets.fer2013.options.from.*did you mean 'form'"):
        build_manifest("fer2013", tmp_path, {"from": "csv"})


# ------------------------------------------------------------------------------------------------ CASME II


@pytest.mark.parametrize("kind", ["Cropped", "CASME2_RAW_selected"])
def test_casme2_positions_come_from_frame_numbers(tmp_path, kind):
    trees.casme2(tmp_path, kind)
    table = build_manifest("casme2", tmp_path)
    assert spans(table) == trees.CASME2
    assert reasons(table) == {}
    assert table["subject"].iloc[-1] == "casme2/sub26" and (table["fps"] == 200).all()
    first = table.iloc[0]
    assert first["frames"][0].endswith("img46.jpg") and first["frames"][-1].endswith("img55.jpg")


def test_casme2_whole_raw_clips(tmp_path):
    trees.casme2(tmp_path, "CASME2-RAW")
    table = build_manifest("casme2", tmp_path)
    row = table.iloc[0]
    assert (row["onset"], row["apex"], row["offset"], len(row["frames"])) == (45, 49, 54, 60)
    assert row["frames"][8].endswith("img9.jpg") and row["frames"][9].endswith("img10.jpg")


def test_casme2_doubled_folder_and_choice_of_images(tmp_path):
    trees.casme2(tmp_path, "CASME2_RAW_selected")
    (tmp_path / "CASME2_RAW_selected").rename(tmp_path / "x")
    (tmp_path / "CASME2_RAW_selected").mkdir()
    (tmp_path / "x").rename(tmp_path / "CASME2_RAW_selected/CASME2_RAW_selected")
    trees.casme2(tmp_path, "Cropped")
    auto = build_manifest("casme2", tmp_path)
    assert auto["frames"][0][0].startswith("CASME2_RAW_selected/")
    assert build_manifest("casme2", tmp_path, {"images": "cropped"})["frames"][0][0].startswith("Cropped/")
    shutil.rmtree(tmp_path / "Cropped/sub26")
    assert "Cropped" not in str(build_manifest("casme2", tmp_path)["frames"].to_list())
    table = build_manifest("casme2", tmp_path, {"images": "selected"})
    assert spans(table) == trees.CASME2
    assert table["frames"][0][0].startswith("CASME2_RAW_selected/CASME2_RAW_selected/sub01")


def test_casme2_apex_rule_exclude(tmp_path):
    trees.casme2(tmp_path)
    table = build_manifest("casme2", tmp_path, {"missing_apex": "exclude"})
    assert reasons(table) == {"casme2/sub04/EP12_01f": "no apex annotated"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [(4, 999, "apex 999 after offset 55"), (3, 54, "onset 54 after apex 50"), (3, 40, "onset frame 40 has no image"),
     (3, 60, "onset 60 after offset 55")],
)  # fmt: skip
def test_casme2_contradicting_annotation_is_excluded_and_said(tmp_path, column, value, reason):
    import openpyxl

    trees.casme2(tmp_path)
    book = openpyxl.load_workbook(tmp_path / "CASME2-coding-20140508.xlsx")
    book.worksheets[0].cell(2, column + 1).value = value
    book.save(tmp_path / "CASME2-coding-20140508.xlsx")
    table = build_manifest("casme2", tmp_path)
    assert len(table) == len(trees.CASME2)
    assert reason in reasons(table)["casme2/sub01/EP01_2"]
    assert any("row 2" in p and reason in p for p in table.attrs["problems"])


def test_casme2_text_in_a_frame_cell_names_row_and_column(tmp_path):
    trees.casme2(tmp_path, apex="unknown")
    with pytest.raises(DataError, match=r"20140508.xlsx: row 5, column apex: got 'unknown', expected a whole number"):
        build_manifest("casme2", tmp_path)


def test_casme2_missing_folder_is_a_row_and_a_problem(tmp_path):
    trees.casme2(tmp_path)
    shutil.rmtree(tmp_path / "Cropped/sub02/EP09f")
    table = build_manifest("casme2", tmp_path)
    assert reasons(table) == {"casme2/sub02/EP09f": "no images of clip sub02/EP09f"}
    assert any("row 4" in p and "EP09f" in p for p in table.attrs["problems"])


# ------------------------------------------------------------------------------------------------ SAMM


@pytest.mark.parametrize("lines", [13, 0])
def test_samm_header_is_found_below_text(tmp_path, lines):
    trees.samm(tmp_path, lines)
    table = build_manifest("samm", tmp_path)
    assert spans(table) == trees.SAMM
    assert reasons(table) == {"samm/032/032_3_3": "apex 70 after offset 48"}
    assert any("known correction" in p and "013_1_9" in p for p in table.attrs["problems"])
    assert table["attributes"][2] == '{"micro":"Micro - 1/2","objective":"7","units":"R12 or R15"}'


def test_samm_swapped_subject_is_excluded(tmp_path):
    import openpyxl

    trees.samm(tmp_path, 0)
    book = openpyxl.load_workbook(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx")
    book.worksheets[0].cell(2, 1).value = 9
    book.save(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx")
    table = build_manifest("samm", tmp_path)
    assert "disagree" in reasons(table)["samm/009/006_1_2"]


# ------------------------------------------------------------------------------------------------ SMIC


def test_smic_cropped_takes_labels_from_folders_and_the_middle_as_apex(tmp_path):
    trees.smic_cropped(tmp_path)
    table = build_manifest("smic", tmp_path)
    assert spans(table) == trees.SMIC
    assert reasons(table) == {"smic/s18/s18_sur_03": "no images in the clip's folder"}
    assert any("s3_po_08: 2 frames are missing" in p for p in table.attrs["problems"])


@pytest.mark.parametrize(("camera", "fps"), [("VIS", 25.0), ("NIR", 25.0)])
def test_smic_other_cameras(tmp_path, camera, fps):
    trees.smic_cropped(tmp_path)
    table = build_manifest("smic", tmp_path, {"camera": camera})
    assert list(table["sample_id"]) == ["smic/s11/s11_po_01"] and table["fps"][0] == fps
    assert all(f"/{camera}/" in ref for ref in table["frames"][0])


def test_smic_raw(tmp_path):
    trees.smic_raw(tmp_path)
    assert spans(build_manifest("smic", tmp_path)) == {
        "smic/s1/s1_ne_01": ("negative", 0, 3, 6, "middle"), "smic/s2/s2_po_03": ("positive", 0, 3, 6, "middle"),
    }  # fmt: skip


def test_smic_extended_reads_the_annotation(tmp_path):
    trees.smic_extended(tmp_path)
    assert spans(build_manifest("smic", tmp_path)) == {
        "smic/s1/s1_ne_01": ("negative", 10, 12, 14, "middle"),
        "smic/s1/s1_sur_02": ("surprise", 5, 7, 9, "middle"),
        "smic/s1/s1_sur_02#2": ("surprise", 14, 16, 18, "middle"),
        "smic/s20/s20_po_01": ("positive", 6, 8, 11, "middle"),  # FirstF is 1, the files begin with 101
    }


# ------------------------------------------------------------------------------------------------ MEGC2019


@pytest.fixture
def parts(tmp_path):
    trees.casme2(tmp_path / "casme2")
    trees.samm(tmp_path / "samm")
    trees.smic_cropped(tmp_path / "smic")
    return {name: build_manifest(name, tmp_path / name) for name in ("casme2", "smic", "samm")}


def test_megc_by_the_rule(parts):
    table = merge_manifests("megc2019", parts)
    kept = table[table["excluded"].isna()]
    assert kept.set_index("sample_id")["label"].to_dict() == {
        "casme2/sub01/EP01_2": "negative", "casme2/sub01/EP02_01f": "positive", "casme2/sub02/EP09f": "surprise",
        "casme2/sub07/EP06_02_01": "negative",  # others and sadness are out, and so is the clip without an apex
        "samm/006/006_1_2": "negative", "samm/006/006_1_3": "positive", "samm/007/007_5_4": "surprise",
        "samm/013/013_1_9": "negative", "samm/028/028_4_1": "negative",
        "smic/s1/s1_ne_01": "negative", "smic/s1/s1_sur_01": "surprise", "smic/s3/s3_ne_16": "negative",
        "smic/s3/s3_po_08": "positive", "smic/s18/s18_sur_02": "surprise",
    }  # fmt: skip
    assert set(kept["dataset"]) == {"casme2", "smic", "samm"}


def test_megc_by_the_list(parts, tmp_path):
    trees.megc_csv(tmp_path / "combined_3class_gt.csv")
    table = merge_manifests("megc2019", parts, {"csv": str(tmp_path / "combined_3class_gt.csv")})
    assert len(table) == 15
    assert reasons(table) == {"casme2/sub17/EP15_01": "not in the copy of casme2"}
    by_rule = merge_manifests("megc2019", parts)
    usable = table[table["excluded"].isna()]
    assert set(usable["sample_id"]) == set(by_rule[by_rule["excluded"].isna()]["sample_id"])


def test_megc_bad_row_is_named(parts, tmp_path):
    (tmp_path / "gt.csv").write_text("casme2,sub01,EP01_2,0\nsamm,6,006_1_2,4\n")
    with pytest.raises(DataError, match=r"gt.csv: row 2: got 'samm,6,006_1_2,4'"):
        merge_manifests("megc2019", parts, {"csv": str(tmp_path / "gt.csv")})


def test_composite_has_no_copy_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match="made of the manifests of casme2, smic, samm"):
        build_manifest("megc2019", tmp_path)
