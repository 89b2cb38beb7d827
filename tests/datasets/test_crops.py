"""Own boxes and landmarks per sample or frame."""

import pytest

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme2 import write_casme2


def test_own_crops_by_sample_and_by_frame(tmp_path):
    write_casme2(tmp_path)
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
    write_casme2(tmp_path)
    (tmp_path / "crops.csv").write_text(f"sample_id,x0,y0,x1,y1\ncasme2/sub02/EP09f,{cells}\n")
    with pytest.raises(DataError, match=f"crops.csv: row 2.*{message}"):
        build_manifest("casme2", tmp_path, {"own_crops": "crops.csv"})
