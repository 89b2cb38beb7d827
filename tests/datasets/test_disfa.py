"""DISFA against trees typed by hand."""

import pytest

from fernas.core.errors import ConfigError, DataError
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.disfa import write_disfa


@pytest.mark.parametrize("form", ["video", "from 0", "from 1"])
def test_disfa_rule(tmp_path, form):
    write_disfa(tmp_path, form)
    table = build_manifest("disfa", tmp_path, {"neutral_runs": 1})
    found = {(r["subject"], r["label"]): [] for r in table.to_dict("records")}
    for row in table.to_dict("records"):
        found[row["subject"], row["label"]].append(int(row["sample_id"].rsplit("/", 1)[1]))
    assert found == {
        ("disfa/SN001", "happiness"): [13, 14, 15], ("disfa/SN001", "neutral"): [28],
        ("disfa/SN002", "happiness"): [13, 14, 15], ("disfa/SN002", "surprise"): [27, 28, 29],
        ("disfa/SN002", "neutral"): [5], ("disfa/SN032", "happiness"): [13, 14, 15], ("disfa/SN032", "neutral"): [28],
    }  # fmt: skip
    ref = table.set_index("sample_id")["frames"]["disfa/SN001/happiness_00012/00014"][0]
    assert ref == {
        "video": "Videos_LeftCamera/LeftVideoSN001_comp.avi#13", "from 0": "frames/SN001/13.png",
        "from 1": "frames/SN001/SN001_00014.jpg",
    }[form]  # fmt: skip
    assert table["raw_label"][1] == "AU6=4 AU12=4"


def test_disfa_other_camera_and_own_list(tmp_path):
    write_disfa(tmp_path)
    table = build_manifest("disfa", tmp_path, {"labels": "csv", "labels_csv": "labels.csv", "camera": "right"})
    assert {r["sample_id"]: r["label"] for r in table.to_dict("records")} == {
        "disfa/SN001/happiness_00014/00014": "happiness", "disfa/SN001/happiness_00014/00015": "happiness",
        "disfa/SN001/neutral_00038/00038": "neutral", "disfa/SN002/surprise_00027/00027": "surprise",
    }  # fmt: skip
    assert table["frames"][0][0].startswith("Video_RightCamera/RightVideoSN001_Comp.avi#")
    with pytest.raises(ConfigError, match="labels_csv: missing"):
        build_manifest("disfa", tmp_path, {"labels": "csv"})


def test_disfa_rule_is_config(tmp_path):
    write_disfa(tmp_path)
    rule = {"surprise": {"all": ["25>=5"]}, "happiness": {"all": ["12 >= 4"]}}
    table = build_manifest("disfa", tmp_path, {"rule": rule, "neutral_runs": 0, "around": 1})
    assert sorted(table["sample_id"]) == [
        "disfa/SN001/happiness_00014/00014", "disfa/SN002/happiness_00014/00014", "disfa/SN002/surprise_00029/00029",
        "disfa/SN032/happiness_00014/00014",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"options.rule.fear: got '3>=1', expected like '12>=2'"):
        build_manifest("disfa", tmp_path, {"rule": {"fear": {"all": ["3>=1"]}}})


def test_disfa_missing_unit_and_bad_line(tmp_path):
    write_disfa(tmp_path)
    path = tmp_path / "ActionUnit_Labels/SN001/SN001_au12.txt"
    lines = path.read_text().replace("20,0", "20,9")
    path.write_text(lines)
    with pytest.raises(DataError, match=r"SN001_au12.txt: line 20: got \[20.0, 9.0\]"):
        build_manifest("disfa", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="SN001_au12.txt missing"):
        build_manifest("disfa", tmp_path)
