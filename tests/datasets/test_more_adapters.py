"""The other datasets against trees typed by hand."""

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image

from fernas.core import plugins
from fernas.core.errors import ConfigError, DataError
from fernas.datasets.check import check_data
from fernas.datasets.manifest import build_manifest
from tests.datasets import more_trees, trees
from tests.datasets.test_first_adapters import reasons, spans

# ------------------------------------------------------------------------------------------------ CK48


@pytest.mark.parametrize("top", ["CK+48", "CK+48/images", "ck/CK+48/train"])
def test_ck48_folders(tmp_path, top):
    more_trees.ck48(tmp_path, top)
    table = build_manifest("ck48", tmp_path)
    assert len(table) == 21 and table["label"].value_counts().to_dict() == dict.fromkeys(table["label"].unique(), 3)
    assert table["sample_id"][0] == "ck48/S005/001/00000015" and table["group"][0] == "ck48/S005/001"
    assert set(table[table["subject"] == "ck48/S010"]["label"]) == {"anger", "happiness"}


def test_ck48_one_image_with_two_labels_is_an_error(tmp_path):
    more_trees.ck48(tmp_path)
    trees.image(tmp_path / "CK+48/fear/S010_004_00000015.png", (48, 48), 1, "L")
    with pytest.raises(DataError, match="one image with two labels"):
        build_manifest("ck48", tmp_path)


def test_ck48_h5_has_contempt_last_and_no_subjects(tmp_path):
    more_trees.ck48_h5(tmp_path)
    table = build_manifest("ck48", tmp_path)
    assert len(table) == 42 and table["subject"].isna().all()
    assert list(table["label"][[0, 6, 41]]) == ["anger", "disgust", "contempt"]
    assert list(table["group"][:7]) == ["ck48/h5/anger/0"] * 3 + ["ck48/h5/anger/1"] * 3 + ["ck48/h5/disgust/0"]
    frame = plugins.load("datasets", "ck48").read_frame(tmp_path, table["frames"][5][0])
    assert (frame[:, :, 2].ravel() == (np.arange(2304) * 8) % 256).all()
    assert any("subject-independent protocols are refused" in p for p in table.attrs["problems"])


# ------------------------------------------------------------------------------------------------ MUG


def test_mug_nesting_of_every_kind(tmp_path):
    more_trees.mug(tmp_path)
    table = build_manifest("mug", tmp_path)
    kept = table[table["excluded"].isna()]
    found = {r["sample_id"]: (r["label"], len(r["frames"]), int(r["apex"])) for r in kept.to_dict("records")}
    assert found == more_trees.MUG
    assert reasons(table) == {"mug/004/fear_take000": "no images in the clip's folder"}
    assert (kept["apex_source"] == "middle").all() and (kept["onset"] == 0).all()
    assert any("mixed" in p and "no known expression" in p for p in table.attrs["problems"])


# ------------------------------------------------------------------------------------------------ ISED


@pytest.mark.parametrize("table", ["csv", "mat"])
def test_ised_videos_and_peaks(tmp_path, table):
    more_trees.ised(tmp_path, table)
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
    more_trees.ised(tmp_path, "mat")
    table = build_manifest("ised", tmp_path, {"images": "peaks", "face_box": "xywh"})
    assert list(table["kind"].unique()) == ["still"] and list(table["frames"][0]) == ["peakImages/1_4_7.jpg"]
    assert table["box"][0] == [10, 12, 40, 44] and table["excluded"].isna().all()


def test_ised_unreadable_table_says_what_to_do(tmp_path):
    more_trees.ised(tmp_path)
    (tmp_path / "ised_details.csv").unlink()
    (tmp_path / "ISED_details.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b"\0" * 200)
    with pytest.raises(DataError, match="ISED_details.mat: not a readable .mat file.*write it as csv"):
        build_manifest("ised", tmp_path)


# ------------------------------------------------------------------------------------------------ DISFA


@pytest.mark.parametrize("form", ["video", "from 0", "from 1"])
def test_disfa_rule(tmp_path, form):
    more_trees.disfa(tmp_path, form)
    table = build_manifest("disfa", tmp_path, {"neutral_runs": 1})
    found = {(r["subject"], r["label"]): [] for r in table.to_dict("records")}
    for row in table.to_dict("records"):
        found[row["subject"], row["label"]].append(int(row["sample_id"].rsplit("/", 1)[1]))
    assert found == {
        ("disfa/SN001", "happiness"): [13, 14, 15], ("disfa/SN001", "neutral"): [28],
        ("disfa/SN002", "happiness"): [13, 14, 15], ("disfa/SN002", "surprise"): [27, 28, 29],
        ("disfa/SN002", "neutral"): [5], ("disfa/SN032", "happiness"): [13, 14, 15], ("disfa/SN032", "neutral"): [28],
    }  # fmt: skip
    ref = table.set_index("sample_id")["frames"]["disfa/SN001/happiness_00012/00014"][0]
    assert ref == {
        "video": "Videos_LeftCamera/LeftVideoSN001_comp.avi#13", "from 0": "frames/SN001/13.png",
        "from 1": "frames/SN001/SN001_00014.jpg",
    }[form]  # fmt: skip
    assert table["raw_label"][1] == "AU6=4 AU12=4"


def test_disfa_other_camera_and_own_list(tmp_path):
    more_trees.disfa(tmp_path)
    table = build_manifest("disfa", tmp_path, {"labels": "csv", "labels_csv": "labels.csv", "camera": "right"})
    assert {r["sample_id"]: r["label"] for r in table.to_dict("records")} == {
        "disfa/SN001/happiness_00014/00014": "happiness", "disfa/SN001/happiness_00014/00015": "happiness",
        "disfa/SN001/neutral_00038/00038": "neutral", "disfa/SN002/surprise_00027/00027": "surprise",
    }  # fmt: skip
    assert table["frames"][0][0].startswith("Video_RightCamera/RightVideoSN001_Comp.avi#")
    with pytest.raises(ConfigError, match="labels_csv: missing"):
        build_manifest("disfa", tmp_path, {"labels": "csv"})


def test_disfa_rule_is_config(tmp_path):
    more_trees.disfa(tmp_path)
    rule = {"surprise": {"all": ["25>=5"]}, "happiness": {"all": ["12 >= 4"]}}
    table = build_manifest("disfa", tmp_path, {"rule": rule, "neutral_runs": 0, "around": 1})
    assert sorted(table["sample_id"]) == [
        "disfa/SN001/happiness_00014/00014", "disfa/SN002/happiness_00014/00014", "disfa/SN002/surprise_00029/00029",
        "disfa/SN032/happiness_00014/00014",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"options.rule.fear: got '3>=1', expected like '12>=2'"):
        build_manifest("disfa", tmp_path, {"rule": {"fear": {"all": ["3>=1"]}}})


def test_disfa_missing_unit_and_bad_line(tmp_path):
    more_trees.disfa(tmp_path)
    path = tmp_path / "ActionUnit_Labels/SN001/SN001_au12.txt"
    lines = path.read_text().replace("20,0", "20,9")
    path.write_text(lines)
    with pytest.raises(DataError, match=r"SN001_au12.txt: line 20: got \[20.0, 9.0\]"):
        build_manifest("disfa", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="SN001_au12.txt missing"):
        build_manifest("disfa", tmp_path)


# ------------------------------------------------------------------------------------------------ Oulu-CASIA


@pytest.mark.parametrize(
    "top", ["OriginalImg/VL", "B_OriginalImg/B_OriginalImg/OriginalImg/VL", "PreProcess_Img/VL_Acropped"]
)
def test_oulu_strong(tmp_path, top):
    more_trees.oulu(tmp_path, top)
    more_trees.oulu(tmp_path, "OriginalImg/NI")
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


# ------------------------------------------------------------------------------------------------ RAF-DB


def test_rafdb_list_and_attributes(tmp_path):
    more_trees.rafdb(tmp_path)
    table = build_manifest("rafdb", tmp_path)
    words = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    train = table[table["split"] == "train"]
    assert list(train["label"]) == words and list(table[table["split"] == "test"]["label"]) == words[::-1]
    assert train["attributes"].iloc[0] == '{"age":"40-69","gender":"female","race":"Asian"}'
    assert table.attrs["ships_crops"] and table["subject"].isna().all()
    assert train["sample_id"].iloc[0] == "rafdb/train_00001"


def test_rafdb_original_images_have_landmarks_and_need_detection(tmp_path):
    more_trees.rafdb(tmp_path, "original")
    table = build_manifest("rafdb", tmp_path)
    assert not table.attrs["ships_crops"]
    row = table[table["sample_id"] == "rafdb/train_00001"].iloc[0]
    points = plugins.load("datasets", "rafdb").own_landmarks(tmp_path, row)
    assert points.tolist() == [[30, 41.5], [70.5, 40], [50, 60]]


def test_rafdb_missing_image_and_bad_line(tmp_path):
    more_trees.rafdb(tmp_path)
    (tmp_path / "basic/Image/aligned/test_0003_aligned.jpg").unlink()
    table = build_manifest("rafdb", tmp_path)
    assert len(table) == 14 and reasons(table) == {"rafdb/test_0003": "no aligned image of test_0003"}
    path = tmp_path / "basic/EmoLabel/list_patition_label.txt"
    path.write_text(path.read_text().replace("train_00004.jpg 4", "train_00004.jpg 0"))
    with pytest.raises(DataError, match=r"list_patition_label.txt: line 4: got 'train_00004.jpg 0'"):
        build_manifest("rafdb", tmp_path)


def test_rafdb_mirror_with_class_folders(tmp_path):
    for n in range(1, 8):
        trees.image(tmp_path / f"DATASET/train/{n}/train_{n:05d}_aligned.jpg", (100, 100), n)
        trees.image(tmp_path / f"DATASET/test/{n}/test_{n:04d}_aligned.jpg", (100, 100), 10 + n)
    table = build_manifest("rafdb", tmp_path)
    assert len(table) == 14 and table["split"].value_counts().to_dict() == {"train": 7, "test": 7}
    assert table.set_index("sample_id")["label"]["rafdb/test_0004"] == "happiness"


# ------------------------------------------------------------------------------------------------ JAFFE


def test_jaffe_names(tmp_path):
    more_trees.jaffe(tmp_path)
    table = build_manifest("jaffe", tmp_path)
    assert len(table) == 21 and table["subject"].nunique() == 3
    assert set(table["label"].value_counts()) == {3}
    assert table["sample_id"][0] == "jaffe/KA/AN1.39" and table["label"][0] == "anger"
    assert plugins.load("datasets", "jaffe").read_frame(tmp_path, table["frames"][0][0]).shape == (64, 64, 3)


def test_jaffe_conversion_beside_the_tiff_is_said(tmp_path):
    more_trees.jaffe(tmp_path)
    trees.image(tmp_path / "jaffe/KA.AN1.39.jpg", (64, 64), 39, "L")
    table = build_manifest("jaffe", tmp_path)
    assert len(table) == 21 and table["frames"][0][0].endswith(".tiff")
    assert any("2 files of one image" in p for p in table.attrs["problems"])


# ------------------------------------------------------------------------------------------------ CASME


@pytest.mark.parametrize(("images", "stem"), [("auto", "EP01_5-"), ("cropped", "reg_EP01_5-")])
def test_casme_last_digit_group_is_the_frame(tmp_path, images, stem):
    more_trees.casme(tmp_path)
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


# ------------------------------------------------------------------------------------------------ CAS(ME)^2


def test_casme_sq_sheets_without_headers(tmp_path):
    more_trees.casme_sq(tmp_path)
    table = build_manifest("casme_sq", tmp_path)
    assert spans(table) == more_trees.CASME_SQ and reasons(table) == {}
    assert (table["group"][2:4] == "casme_sq/s16/anger2_3").all()
    assert any(ref.endswith("img2977.jpg.jpg") for ref in table["frames"][1])


def test_casme_sq_subsets_and_crops(tmp_path):
    more_trees.casme_sq(tmp_path)
    micro = build_manifest("casme_sq", tmp_path, {"subset": "micro", "images": "cropped"})
    assert reasons(micro) == {"casme_sq/s16/disgust1_2": "no images of clip s16/disgust1_2"}
    assert len(micro) == 3 and micro.attrs["expected"]["classes"]["negative"] == 21
    assert micro["frames"][0][0].startswith("cropped/16/")
    assert len(build_manifest("casme_sq", tmp_path, {"subset": "macro"})) == 2


def test_casme_sq_long_videos_keep_only_the_expression(tmp_path):
    more_trees.casme_sq(tmp_path)
    for folder in ("selectedpic", "cropped"):
        (tmp_path / folder).rename(tmp_path / f"away_{folder}")
    for subject, code, count in (("s15", "0401", 580), ("s16", "0101", 120)):
        for n in range(1, count + 1):
            trees.image(tmp_path / f"rawpic/{subject}/{subject[1:]}_{code}text/img{n:03d}.jpg", (16, 16), n)
    table = build_manifest("casme_sq", tmp_path, {"images": "raw"})
    assert spans(table) == {
        "casme_sq/s15/anger1_1": ("negative", 0, 5, 13, "annotated"),
        "casme_sq/s16/disgust1_2": ("negative", 0, 3, 6, "annotated"),  # an offset of 0: as far behind the apex
    }
    assert len(table["frames"][0]) == 14 and table["frames"][0][0].endswith("img557.jpg")


# ------------------------------------------------------------------------------------------------ a dataset of your own


def own(root, rows, name="list.csv"):
    for n in range(1, 10):
        trees.image(root / f"clips/a/f{n}.png", (40, 40), n)
        trees.image(root / f"Bilder für Ä/b {n}.png", (40, 40), 20 + n)
    more_trees.video(root / "v/one.avi", 8)
    frame = pd.DataFrame(rows)
    frame.to_parquet(root / name) if name.endswith("parquet") else frame.to_csv(root / name, index=False)


ROWS = [
    {"path": "clips/a", "label": "joy", "subject": "p1", "onset": 2, "apex": 4, "offset": 8},
    {"path": "Bilder für Ä\\b 3.png", "label": "anger", "subject": "p2"},
    {"path": "v/one.avi", "label": "joy", "subject": "p2", "onset": 1, "apex": 3},
    {"path": "clips/missing", "label": "joy", "subject": "p3"},
]


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_own_dataset(tmp_path, name):
    own(tmp_path, ROWS, name)
    table = build_manifest("custom", tmp_path)
    assert spans(table.drop(index=1)) == {
        "custom/p1/clips_a": ("joy", 1, 3, 7, "annotated"), "custom/p2/v_one.avi": ("joy", 0, 2, 7, "annotated"),
    }  # fmt: skip
    still = table[table["kind"] == "still"].iloc[0]
    assert still["sample_id"] == "custom/p2/Bilder für Ä_b 3" and still["label"] == "anger"
    assert reasons(table) == {"custom/p3/clips_missing": "clips/missing: no such file or folder"}
    found = check_data("custom", tmp_path / name)
    assert found["samples"] == 3 and not found["fatal"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ""}, "row 2, column label: empty"),
        ({"subject": ""}, "row 2, column subject: empty"),
        ({"path": ""}, "row 2, column path: empty"),
        ({"path": "../a.png"}, "row 2, column path: ../a.png leads out"),
        ({"path": "/etc/a.png"}, "row 2, column path: /etc/a.png lies outside"),
        ({"onset": "two"}, "row 2, column onset: got 'two'"),
    ],
)
def test_own_dataset_bad_row_is_named(tmp_path, change, message):
    own(tmp_path, [{**ROWS[0], **change}, *ROWS[1:]])
    with pytest.raises(DataError, match=message):
        build_manifest("custom", tmp_path)


def test_own_dataset_wrong_header_and_class(tmp_path):
    own(tmp_path, ROWS)
    with pytest.raises(DataError, match=r"column label: 'joy' is no class.*classes: happy"):
        build_manifest("custom", tmp_path, {"classes": ["happy"]})
    (tmp_path / "list.csv").write_text("pfad,label\nx.png,joy\n")
    with pytest.raises(DataError, match="no header row with the column path"):
        build_manifest("custom", tmp_path)


# ------------------------------------------------------------------------------------------------ own crops


def test_own_crops_by_sample_and_by_frame(tmp_path):
    trees.casme2(tmp_path)
    ref = "Cropped/sub01/EP02_01f/reg_img{}.jpg"
    header = "sample_id,path,x0,y0,x1,y1,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y"
    lines = [header, "casme2/sub02/EP09f,,5,6,50,60,,,,,,", f",{ref.format(12)},1,1,9,9,9,9,9,9,9,9",
             f",{ref.format(9)},1,2,30,40,40,20,20,21,30,35", ",nowhere.jpg,1,2,3,4,,,,,,"]  # fmt: skip
    (tmp_path / "crops.csv").write_text("\n".join(lines))
    table = build_manifest("casme2", tmp_path, {"own_crops": "crops.csv"})
    rows = table.set_index("sample_id")
    assert rows["box"]["casme2/sub02/EP09f"] == [5, 6, 50, 60]
    assert rows["box"]["casme2/sub01/EP02_01f"] == [1, 2, 30, 40]  # the row of the onset frame counts
    adapter = plugins.load("datasets", "casme2")
    points = adapter.own_landmarks(tmp_path, table[table["sample_id"] == "casme2/sub01/EP02_01f"].iloc[0])
    assert points.tolist() == [[20, 21], [40, 20], [30, 35]]
    assert any("1 rows are of no sample: nowhere.jpg" in p for p in table.attrs["problems"])
    assert any("5 samples have no row" in p for p in table.attrs["problems"])


@pytest.mark.parametrize(
    ("cells", "message"), [("5,6,5,60", "got the box 5, 6, 5, 60"), ("5,6,x,60", "column x1: got 'x'")]
)
def test_own_crops_bad_row(tmp_path, cells, message):
    trees.casme2(tmp_path)
    (tmp_path / "crops.csv").write_text(f"sample_id,x0,y0,x1,y1\ncasme2/sub02/EP09f,{cells}\n")
    with pytest.raises(DataError, match=f"crops.csv: row 2.*{message}"):
        build_manifest("casme2", tmp_path, {"own_crops": "crops.csv"})


# ------------------------------------------------------------------------------------------------ images of all kinds


def test_sixteen_bit_and_cmyk_images(tmp_path):
    more_trees.jaffe(tmp_path)
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "jaffe/KA.AN1.39.tiff")
    rgb = np.dstack([np.full((64, 64), v, np.uint8) for v in (200, 90, 30)])
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "jaffe/KM.AN1.53.jpg", quality=95)
    (tmp_path / "jaffe/KM.AN1.53.tiff").unlink()
    table = build_manifest("jaffe", tmp_path)
    assert table["excluded"].isna().all() and len(table) == 21
    adapter = plugins.load("datasets", "jaffe")
    rows = table.set_index("sample_id")["frames"]
    frame = adapter.read_frame(tmp_path, rows["jaffe/KA/AN1.39"][0])
    assert frame.dtype == np.uint8 and abs(int(frame[63, 63, 0]) - 255) <= 1
    cmyk = adapter.read_frame(tmp_path, rows["jaffe/KM/AN1.53"][0])
    assert np.abs(cmyk.mean(axis=(0, 1)) - (200, 90, 30)).max() < 12


def test_merged_headers_in_two_rows(tmp_path):
    trees.casme2(tmp_path)
    book = openpyxl.load_workbook(tmp_path / "CASME2-coding-20140508.xlsx")
    page = book.worksheets[0]
    page.insert_rows(1)
    page["D1"] = "Frames"
    page.merge_cells("D1:F1")
    for column in "ABHI":
        page[f"{column}1"] = page[f"{column}2"].value
        page[f"{column}2"] = None
        page.merge_cells(f"{column}1:{column}2")
    page["A4"] = None  # sub01 stands in one cell merged over its two rows
    page.merge_cells("A3:A4")
    book.save(tmp_path / "CASME2-coding-20140508.xlsx")
    assert spans(build_manifest("casme2", tmp_path)) == trees.CASME2
