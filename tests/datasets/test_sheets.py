"""Coding tables."""

import io
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.datasets._labels import canonical
from fernas.datasets._sheets import integer, read_grid, read_table
from fernas.datasets.containers import pixel_table
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme2 import EXPECTED, write_casme2
from tests.fixtures.manifests import spans


def test_merged_headers_in_two_rows(tmp_path):
    write_casme2(tmp_path)
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
    assert spans(build_manifest("casme2", tmp_path)) == EXPECTED


def value_or_clear_error(function, *arguments):
    """What a function returns, None where it raises an error with a message; any other error fails the test."""
    try:
        return function(*arguments)
    except (DataError, ConfigError) as error:
        assert str(error)
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))))
def test_any_bytes_as_tables(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    for suffix in (".csv", ".xlsx", ".txt"):
        path = folder / f"any{suffix}"
        path.write_bytes(data)
        value_or_clear_error(read_table, path, {"a": ("a",), "b": ("b",)}, ("a", "b"))
    path.write_bytes(b"emotion,pixels,Usage\n" + data)
    value_or_clear_error(pixel_table, path)


@given(st.text(max_size=30))
def test_any_text_as_number_or_label(text):
    value = value_or_clear_error(integer, text, "file: row 1")
    assert value is None or isinstance(value, int)
    label = value_or_clear_error(canonical, text, ("anger", "others"), "file: row 1")
    assert label in (None, "anger", "others")


def workbook(path, rows=b"", after=b"", strings=b""):
    """A workbook whose sheet holds these rows of xml, and what follows its cells."""
    plain = io.BytesIO()
    openpyxl.Workbook().save(plain)
    page = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    page += rows + b"</sheetData>" + after + b"</worksheet>"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, page if name == "xl/worksheets/sheet1.xml" else source.read(name))
        target.writestr("xl/more.xml", strings)
    return path


def merges(*references):
    return b"<mergeCells>%s</mergeCells>" % b"".join(b'<mergeCell ref="%s"/>' % text for text in references)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"rows": b"<row>" + b"<c/>" * 400_001 + b"</row>"}, "more than 400000 elements of xml"),
        ({"rows": b"<row/>" * 400_001}, "more than 400000 elements of xml"),
        ({"strings": b"<sst>" + b"<si/>" * 400_001}, "more than 400000 elements of xml"),
        ({"after": merges(b"A1:XFD1048576")}, "merged cells or links span more than 100000 cells"),
        ({"after": merges(*(b"A%d:ZZ%d" % (k, k) for k in range(1, 3000)))}, "span more than 100000 cells"),
        (
            {"after": b'<hyperlinks><hyperlink ref="$A$1:$XFD$9999" location="x"/></hyperlinks>'},
            "span more than 100000 cells",
        ),
        ({"rows": b"<!--" + b" " * (64 << 20) + b"-->"}, "unpacks to 64 MiB, expected at most 64"),
    ],
    ids=["cells", "rows", "strings", "one merge", "many merges", "link", "bytes"],
)
def test_a_small_workbook_that_is_large_in_memory_is_refused_before_openpyxl_reads_it(
    parts, message, tmp_path, monkeypatch
):
    path = workbook(tmp_path / "t.xlsx", **parts)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(DataError, match=message):
        read_grid(path)


def test_a_cell_in_the_last_corner_is_refused_before_its_rectangle_is_filled(tmp_path):
    path = workbook(tmp_path / "t.xlsx", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    with pytest.raises(DataError, match="1048576 rows x 16384 columns, expected at most 2000000 cells"):
        read_grid(path)
