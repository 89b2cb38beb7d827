"""JAFFE against trees typed by hand."""

import numpy as np
from PIL import Image

from fernas.core import plugins
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.files import write_image
from tests.fixtures.dataset_trees.jaffe import write_jaffe


def test_jaffe_names(tmp_path):
    write_jaffe(tmp_path)
    table = build_manifest("jaffe", tmp_path)
    assert len(table) == 21 and table["subject"].nunique() == 3
    assert set(table["label"].value_counts()) == {3}
    assert table["sample_id"][0] == "jaffe/KA/AN1.39" and table["label"][0] == "anger"
    assert plugins.load("datasets", "jaffe").read_frame(tmp_path, table["frames"][0][0]).shape == (64, 64, 3)


def test_jaffe_conversion_beside_the_tiff_is_said(tmp_path):
    write_jaffe(tmp_path)
    write_image(tmp_path / "jaffe/KA.AN1.39.jpg", (64, 64), 39, "L")
    table = build_manifest("jaffe", tmp_path)
    assert len(table) == 21 and table["frames"][0][0].endswith(".tiff")
    assert any("2 files of one image" in p for p in table.attrs["problems"])


def test_sixteen_bit_and_cmyk_images(tmp_path):
    write_jaffe(tmp_path)
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
