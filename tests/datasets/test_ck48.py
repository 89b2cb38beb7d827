"""CK48 against trees typed by hand."""

import numpy as np
import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.ck48 import write_ck48, write_ck48_h5
from tests.fixtures.dataset_trees.files import write_image


@pytest.mark.parametrize("top", ["CK+48", "CK+48/images", "ck/CK+48/train"])
def test_ck48_folders(tmp_path, top):
    write_ck48(tmp_path, top)
    table = build_manifest("ck48", tmp_path)
    assert len(table) == 21 and table["label"].value_counts().to_dict() == dict.fromkeys(table["label"].unique(), 3)
    assert table["sample_id"][0] == "ck48/S005/001/00000015" and table["group"][0] == "ck48/S005/001"
    assert set(table[table["subject"] == "ck48/S010"]["label"]) == {"anger", "happiness"}


def test_ck48_one_image_with_two_labels_is_an_error(tmp_path):
    write_ck48(tmp_path)
    write_image(tmp_path / "CK+48/fear/S010_004_00000015.png", (48, 48), 1, "L")
    with pytest.raises(DataError, match="one image with two labels"):
        build_manifest("ck48", tmp_path)


def test_ck48_h5_has_contempt_last_and_no_subjects(tmp_path):
    write_ck48_h5(tmp_path)
    table = build_manifest("ck48", tmp_path)
    assert len(table) == 42 and table["subject"].isna().all()
    assert list(table["label"][[0, 6, 41]]) == ["anger", "disgust", "contempt"]
    assert list(table["group"][:7]) == ["ck48/h5/anger/0"] * 3 + ["ck48/h5/anger/1"] * 3 + ["ck48/h5/disgust/0"]
    frame = plugins.load("datasets", "ck48").read_frame(tmp_path, table["frames"][5][0])
    assert (frame[:, :, 2].ravel() == (np.arange(2304) * 8) % 256).all()
    assert any("subject-independent protocols are refused" in p for p in table.attrs["problems"])
