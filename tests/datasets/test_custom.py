"""A private dataset, listed in a table."""

import pandas as pd
import pytest

from fernas.core.errors import DataError
from fernas.datasets import _base, custom
from fernas.datasets.check import check_data
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.files import write_image, write_video
from tests.fixtures.manifests import reasons, spans


def own(root, rows, name="list.csv"):
    for n in range(1, 10):
        write_image(root / f"clips/a/f{n}.png", (40, 40), n)
        write_image(root / f"Bilder für Ä/b {n}.png", (40, 40), 20 + n)
    write_video(root / "v/one.avi", 8)
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


def test_a_table_whose_paths_are_all_absent_is_one_problem_not_one_per_row(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("path,label,subject\n" + "".join(f"{k}.png,x,{k}\n" for k in range(1000)))
    monkeypatch.setattr(custom, "_sample", lambda *_: pytest.fail("rows were read one by one"))
    (problem,) = check_data("custom", tmp_path)["problems"]
    assert problem == f"{tmp_path}: none of the 1000 paths of t.csv is there, first {tmp_path}/t.csv: row 2: 0.png"


def test_an_image_that_is_listed_twice_is_refused_before_any_image_is_opened(tmp_path, monkeypatch):
    own(tmp_path, [ROWS[0], ROWS[0]])
    monkeypatch.setattr(_base, "digest_of", lambda *_: pytest.fail("an image was opened"))
    with pytest.raises(DataError, match="two samples have the id custom/p1/clips_a"):
        build_manifest("custom", tmp_path)


def test_what_is_odd_in_the_files_is_not_copied_with_every_column(tmp_path):
    own(tmp_path, ROWS)
    table = build_manifest("custom", tmp_path)
    assert table.attrs["problems"] and table["label"].attrs["problems"] is table.attrs["problems"]
