"""FER2013 against trees typed by hand."""

import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.fer2013 import (
    FER_LABELS,
    FER_USAGE,
    fer_pixels,
    write_fer2013_csv,
    write_fer2013_folders,
    write_fer2013_h5,
    write_fer2013_icml,
    write_ferplus,
)
from tests.fixtures.manifests import reasons


@pytest.mark.parametrize("write", [write_fer2013_csv, write_fer2013_icml])
def test_fer2013_csv_in_both_header_styles(tmp_path, write):
    write(tmp_path)
    table = build_manifest("fer2013", tmp_path)
    assert list(table["sample_id"][:2]) == ["fer2013/PrivateTest/24", "fer2013/PrivateTest/25"]
    table = table.iloc[[*range(12, 30), *range(6, 12), *range(6)]].reset_index(drop=True)
    words = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert list(table["label"]) == [words[code] for code in FER_LABELS]
    assert list(table["split"]) == FER_USAGE
    assert table["subject"].isna().all() and (table["kind"] == "still").all()
    adapter = plugins.load("datasets", "fer2013")
    for row in (0, 17, 29):
        frame = adapter.read_frame(tmp_path, table["frames"][row][0])
        assert table["sample_id"][row].endswith(f"/{row}") and table["frames"][row][0].endswith(f"#{row}")
        assert frame.shape == (48, 48, 3) and (frame[:, :, 1] == fer_pixels(row)).all()
    assert table["sha256"].nunique() == 30


def test_fer2013_root_may_be_the_file_itself(tmp_path):
    write_fer2013_csv(tmp_path)
    table = build_manifest("fer2013", tmp_path / "fer2013.csv")
    assert len(table) == 30
    frame = plugins.load("datasets", "fer2013").read_frame(tmp_path / "fer2013.csv", table["frames"][3][0])
    assert (frame[:, :, 0] == fer_pixels(27)).all()


def test_fer2013_h5_equals_csv(tmp_path):
    write_fer2013_csv(tmp_path / "csv")
    write_fer2013_h5(tmp_path / "h5")
    one, two = build_manifest("fer2013", tmp_path / "csv"), build_manifest("fer2013", tmp_path / "h5")
    assert sorted(zip(one["sha256"], one["label"], one["split"], strict=True)) == sorted(
        zip(two["sha256"], two["label"], two["split"], strict=True)
    )


def test_fer2013_folders_take_the_split_from_the_names(tmp_path):
    write_fer2013_folders(tmp_path)
    table = build_manifest("fer2013", tmp_path)
    assert len(table) == 30 and table["split"].value_counts().to_dict() == {
        "Training": 18,
        "PublicTest": 6,
        "PrivateTest": 6,
    }
    assert table["label"].value_counts()["happiness"] == FER_LABELS.count(3)


def test_fer2013_folders_without_split_in_the_names_say_so(tmp_path):
    write_fer2013_folders(tmp_path)
    one = next((tmp_path / "test/happy").iterdir())
    one.rename(one.with_name("im0.jpg"))
    table = build_manifest("fer2013", tmp_path)
    assert len(table) == 30 and table["split"].isna().all()
    assert any("official protocol is refused" in problem for problem in table.attrs["problems"])


def test_ferplus_majority_joined_by_row(tmp_path):
    write_fer2013_csv(tmp_path)
    write_ferplus(tmp_path)
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
    write_fer2013_csv(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().split("\n")
    lines[row] = line
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="fer2013.csv: " + message):
        build_manifest("fer2013", tmp_path)


def test_fer2013_two_wrong_rows_that_cancel_are_found(tmp_path):
    write_fer2013_csv(tmp_path)
    lines = (tmp_path / "fer2013.csv").read_text().split("\n")
    lines[3] = "3," + "7 " * 2302 + "7,Training"
    lines[4] = "3," + "7 " * 2304 + "7,Training"
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="row 3: got 2303 pixels"):
        build_manifest("fer2013", tmp_path)
