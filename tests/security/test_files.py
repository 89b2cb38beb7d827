"""Hostile datasets: paths that leave the root, images, videos and sheets that unpack to more than they are."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pytest
import scipy.io
import yaml

from fernas.core.errors import ConfigError, DataError
from fernas.core.images import MAX_PIXELS, decode_image, write_image
from fernas.datasets._sheets import read_grid
from fernas.datasets.check import check_data
from fernas.datasets.containers import digest_of, h5_pixels, read_ref
from fernas.datasets.ised import _mat_grid
from fernas.study import Study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dataset(tmp_path):
    """A dataset of one image, and an image beside it that is none of its business."""
    image = np.zeros((32, 32, 3), np.uint8)
    write_image(tmp_path / "root" / "a.png", image)
    write_image(tmp_path / "secret.png", image)
    return tmp_path / "root"


@pytest.mark.parametrize("ref", ["../secret.png", "x/../../secret.png", "..\\secret.png", "{secret}"])
def test_a_reference_that_leaves_the_root_is_refused(dataset, ref):
    ref = ref.format(secret=dataset.parent / "secret.png")
    for read in (read_ref, digest_of):
        with pytest.raises(DataError, match="root"):
            read(dataset, ref)
    assert read_ref(dataset, "a.png").shape == (32, 32, 3)


@pytest.mark.parametrize("path", ["../secret.png", "a/../../secret.png", "C:\\secret.png", "{secret}"])
def test_a_table_that_leaves_the_root_is_refused_by_row(dataset, path):
    (dataset / "t.csv").write_text(f"path,label\na.png,x\n{path.format(secret=dataset.parent / 'secret.png')},y\n")
    with pytest.raises(DataError, match="row 3.*root"):
        findings = check_data("custom", dataset, {})
        raise DataError("; ".join(findings["problems"]))


def png(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises width x height."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(100_000, 100_000), (MAX_PIXELS + 1, 1), (2**31 - 1, 2**31 - 1)])
def test_an_image_bomb_is_refused_by_its_pixels(size):
    with pytest.raises(DataError, match=f"{size[0]}x{size[1]} pixels, expected at most"):
        decode_image(png(*size), "bomb.png")


def test_an_h5_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(20_000, 1000, 1000), dtype="u1", chunks=(1, 1000, 1000))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(DataError, match="unpacks to 20000000000 bytes"):
        h5_pixels(path, "x")


@pytest.mark.parametrize("name", ["raw", "link", "virtual", "group/link", "soft"])
def test_an_h5_whose_images_lie_outside_of_it_is_refused(dataset, name):
    """HDF5 can name any file as its storage, so that what is none of its business would become an image."""
    (dataset.parent / "secret").write_bytes(bytes(range(256)) * 16)
    other = dataset.parent / "other.h5"
    with h5py.File(other, "w") as file:
        file["y"] = np.ones((1, 8, 8), np.uint8)
    with h5py.File(dataset / "a.h5", "w") as file:
        file["own"] = np.ones((1, 8, 8), np.uint8)
        file.create_dataset("raw", (1, 64, 64), "u1", external=[(str(dataset.parent / "secret"), 0, 4096)])
        file["link"] = h5py.ExternalLink(str(other), "y")
        file["group/link"] = h5py.ExternalLink(str(other), "y")
        file["soft"] = h5py.SoftLink("/group/link")
        layout = h5py.VirtualLayout((1, 8, 8), "u1")
        layout[:] = h5py.VirtualSource(str(other), "y", (1, 8, 8))
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(DataError, match="another file"):
        read_ref(dataset, f"a.h5#{name}/0")
    assert read_ref(dataset, "a.h5#own/0").shape == (8, 8, 3)


def test_a_sheet_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
            for _ in range(600):
                member.write(b"\0" * (1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="unpacks to"):
        read_grid(path)


def test_a_sheet_with_a_cell_in_its_last_corner_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active["XFD1048576"] = "x"
    book.save(tmp_path / "wide.xlsx")
    with pytest.raises(DataError, match="1048576 rows x 16384 columns"):
        read_grid(tmp_path / "wide.xlsx")


def test_a_mat_that_unpacks_to_hundreds_of_megabytes_is_refused(tmp_path):
    """As details of ISED; one of the size of its table is read."""
    table = {"details": np.array([["1"] * 16] * 3, dtype=object)}
    scipy.io.savemat(tmp_path / "good.mat", table, do_compression=True)
    assert len(_mat_grid(tmp_path / "good.mat")) == 3
    scipy.io.savemat(tmp_path / "bomb.mat", {**table, "x": np.zeros(100 << 20, np.uint8)}, do_compression=True)
    assert (tmp_path / "bomb.mat").stat().st_size < 1 << 20
    with pytest.raises(DataError, match="unpacks to more than 64 MiB"):
        _mat_grid(tmp_path / "bomb.mat")


def test_a_sheet_with_outside_entities_reads_no_file(tmp_path):
    """The xml of a sheet must not pull in files: openpyxl's parser leaves entities of a document type alone."""
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET")
    good = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.save(good)
    path = tmp_path / "entity.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                data = (
                    f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
                    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
                    '<row r="1"><c r="A1" t="inlineStr"><is><t>&e;</t></is></c></row></sheetData></worksheet>'
                ).encode()
            target.writestr(name, data)
    try:
        cells = read_grid(path)
    except DataError:
        return
    assert "TOPSECRET" not in str(cells)


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path):
    import pickle

    from fernas.core.checkpoint import CheckpointStore

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    store = CheckpointStore(tmp_path, "key")
    store.folder.mkdir()
    store.path.write_bytes(pickle.dumps({"x": Evil()}))
    assert store.load() is None and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../../outside", "a/b", "..", "", "Ä", "a\nb", "a b", "-x", "{x}", "t-rendered"])
@pytest.mark.parametrize("section", ["datasets", "views", "tasks", "protocols", "methods"])
def test_names_in_a_config_cannot_leave_the_results_folder(section, name):
    if name == "t-rendered" and section in ("views", "protocols"):
        return  # a name like another one
    document = yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text())
    document[section][name] = next(iter(document[section].values()))
    with pytest.raises(ConfigError, match=f"{section}: the name"):
        Study.parse(document)
