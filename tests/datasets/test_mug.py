"""MUG against trees typed by hand."""

from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.mug import EXPECTED, write_mug
from tests.fixtures.manifests import reasons


def test_mug_nesting_of_every_kind(tmp_path):
    write_mug(tmp_path)
    table = build_manifest("mug", tmp_path)
    kept = table[table["excluded"].isna()]
    found = {r["sample_id"]: (r["label"], len(r["frames"]), int(r["apex"])) for r in kept.to_dict("records")}
    assert found == EXPECTED
    assert reasons(table) == {"mug/004/fear_take000": "no images in the clip's folder"}
    assert (kept["apex_source"] == "middle").all() and (kept["onset"] == 0).all()
    assert any("mixed" in p and "no known expression" in p for p in table.attrs["problems"])
