"""MEGC2019 against trees typed by hand."""

import pytest

from fernas.core.errors import DataError
from fernas.datasets.manifest import build_manifest, merge_manifests
from tests.fixtures.dataset_trees.casme2 import write_casme2
from tests.fixtures.dataset_trees.megc2019 import write_megc_csv
from tests.fixtures.dataset_trees.samm import write_samm
from tests.fixtures.dataset_trees.smic import write_smic_cropped
from tests.fixtures.manifests import reasons


@pytest.fixture
def parts(tmp_path):
    write_casme2(tmp_path / "casme2")
    write_samm(tmp_path / "samm")
    write_smic_cropped(tmp_path / "smic")
    return {name: build_manifest(name, tmp_path / name) for name in ("casme2", "smic", "samm")}


def test_megc_by_the_rule(parts):
    table = merge_manifests("megc2019", parts)
    kept = table[table["excluded"].isna()]
    assert kept.set_index("sample_id")["label"].to_dict() == {
        "casme2/sub01/EP01_2": "negative", "casme2/sub01/EP02_01f": "positive", "casme2/sub02/EP09f": "surprise",
        "casme2/sub07/EP06_02_01": "negative",  # others and sadness are out, and so is the clip without an apex
        "samm/006/006_1_2": "negative", "samm/006/006_1_3": "positive", "samm/007/007_5_4": "surprise",
        "samm/013/013_1_9": "negative", "samm/028/028_4_1": "negative",
        "smic/s1/s1_ne_01": "negative", "smic/s1/s1_sur_01": "surprise", "smic/s3/s3_ne_16": "negative",
        "smic/s3/s3_po_08": "positive", "smic/s18/s18_sur_02": "surprise",
    }  # fmt: skip
    assert set(kept["dataset"]) == {"casme2", "smic", "samm"}


def test_megc_by_the_list(parts, tmp_path):
    write_megc_csv(tmp_path / "combined_3class_gt.csv")
    table = merge_manifests("megc2019", parts, {"csv": str(tmp_path / "combined_3class_gt.csv")})
    assert len(table) == 15
    assert reasons(table) == {"casme2/sub17/EP15_01": "not among the files of casme2"}
    by_rule = merge_manifests("megc2019", parts)
    usable = table[table["excluded"].isna()]
    assert set(usable["sample_id"]) == set(by_rule[by_rule["excluded"].isna()]["sample_id"])


def test_megc_bad_row_is_named(parts, tmp_path):
    (tmp_path / "gt.csv").write_text("casme2,sub01,EP01_2,0\nsamm,6,006_1_2,4\n")
    with pytest.raises(DataError, match=r"gt.csv: row 2: got 'samm,6,006_1_2,4'"):
        merge_manifests("megc2019", parts, {"csv": str(tmp_path / "gt.csv")})
