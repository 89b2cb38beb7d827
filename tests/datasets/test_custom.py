"""A private dataset, listed in a table."""

import pandas as pd
import pytest

from fernas.core.errors import DataError
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
