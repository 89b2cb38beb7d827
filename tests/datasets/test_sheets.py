"""Coding tables."""

import openpyxl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.datasets._labels import canonical
from fernas.datasets._sheets import integer, read_table
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
