"""SAMM against trees typed by hand."""

import pytest

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.samm import EXPECTED, write_samm
from tests.fixtures.manifests import reasons, spans


@pytest.mark.parametrize("lines", [13, 0])
def test_samm_header_is_found_below_text(tmp_path, lines):
    write_samm(tmp_path, lines)
    table = build_manifest("samm", tmp_path)
    assert spans(table) == EXPECTED
    assert reasons(table) == {"samm/032/032_3_3": "apex 70 after offset 48"}
    assert any("known correction" in p and "013_1_9" in p for p in table.attrs["problems"])
    assert table["attributes"][2] == '{"micro":"Micro - 1/2","objective":"7","units":"R12 or R15"}'


def test_samm_swapped_subject_is_excluded(tmp_path):
    import openpyxl

    write_samm(tmp_path, 0)
    book = openpyxl.load_workbook(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx")
    book.worksheets[0].cell(2, 1).value = 9
    book.save(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx")
    table = build_manifest("samm", tmp_path)
    assert "disagree" in reasons(table)["samm/009/006_1_2"]
