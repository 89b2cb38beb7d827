"""RAF-DB against trees typed by hand."""

import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.files import write_image
from tests.fixtures.dataset_trees.rafdb import write_rafdb
from tests.fixtures.manifests import reasons


def test_rafdb_list_and_attributes(tmp_path):
    write_rafdb(tmp_path)
    table = build_manifest("rafdb", tmp_path)
    words = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    train = table[table["split"] == "train"]
    assert list(train["label"]) == words and list(table[table["split"] == "test"]["label"]) == words[::-1]
    assert train["attributes"].iloc[0] == '{"age":"40-69","gender":"female","race":"Asian"}'
    assert table.attrs["ships_crops"] and table["subject"].isna().all()
    assert train["sample_id"].iloc[0] == "rafdb/train_00001"


def test_rafdb_original_images_have_landmarks_and_need_detection(tmp_path):
    write_rafdb(tmp_path, "original")
    table = build_manifest("rafdb", tmp_path)
    assert not table.attrs["ships_crops"]
    row = table[table["sample_id"] == "rafdb/train_00001"].iloc[0]
    points = plugins.load("datasets", "rafdb").own_landmarks(tmp_path, row)
    assert points.tolist() == [[30, 41.5], [70.5, 40], [50, 60]]


def test_rafdb_missing_image_and_bad_line(tmp_path):
    write_rafdb(tmp_path)
    (tmp_path / "basic/Image/aligned/test_0003_aligned.jpg").unlink()
    table = build_manifest("rafdb", tmp_path)
    assert len(table) == 14 and reasons(table) == {"rafdb/test_0003": "no aligned image of test_0003"}
    path = tmp_path / "basic/EmoLabel/list_patition_label.txt"
    path.write_text(path.read_text().replace("train_00004.jpg 4", "train_00004.jpg 0"))
    with pytest.raises(DataError, match=r"list_patition_label.txt: line 4: got 'train_00004.jpg 0'"):
        build_manifest("rafdb", tmp_path)


def test_rafdb_mirror_with_class_folders(tmp_path):
    for n in range(1, 8):
        write_image(tmp_path / f"DATASET/train/{n}/train_{n:05d}_aligned.jpg", (100, 100), n)
        write_image(tmp_path / f"DATASET/test/{n}/test_{n:04d}_aligned.jpg", (100, 100), 10 + n)
    table = build_manifest("rafdb", tmp_path)
    assert len(table) == 14 and table["split"].value_counts().to_dict() == {"train": 7, "test": 7}
    assert table.set_index("sample_id")["label"]["rafdb/test_0004"] == "happiness"
