"""`fernas check-data` on real roots."""

import pytest

from fernas.core.errors import ConfigError
from fernas.datasets.check import check_data, found_and_expected
from tests.fixtures.dataset_trees.casme2 import write_casme2
from tests.fixtures.dataset_trees.fer2013 import write_fer2013_csv
from tests.fixtures.dataset_trees.megc2019 import write_megc_csv
from tests.fixtures.dataset_trees.samm import write_samm
from tests.fixtures.dataset_trees.smic import write_smic_cropped


def test_what_cannot_be_read_is_fatal_with_its_reason(tmp_path):
    found = check_data("ckplus", tmp_path)
    assert found["fatal"] and found["samples"] == 0 and "no labelled sample of CK+" in found["problems"][0]
    found = check_data("casme2", tmp_path / "absent")
    assert found["fatal"] and "no such folder" in found["problems"][0]
    with pytest.raises(ConfigError):
        check_data("casme3", tmp_path)


def test_a_composite_is_read_from_the_folders_of_its_parts(tmp_path):
    write_casme2(tmp_path / "CASME II")
    write_samm(tmp_path / "SAMM")
    write_smic_cropped(tmp_path / "SMIC")
    by_rule = check_data("megc2019", tmp_path)
    assert by_rule["samples"] == 14 and not by_rule["fatal"]
    write_megc_csv(tmp_path / "combined_3class_gt.csv")
    found = check_data("megc2019", tmp_path)
    assert found["samples"] == 14 and found["excluded"] == {"casme2/sub17/EP15_01": "not among the files of casme2"}
    assert found["subjects"] == 3 + 4 + 3


def test_found_stands_beside_published(tmp_path):
    write_fer2013_csv(tmp_path)
    rows = {row[""]: row for row in found_and_expected(check_data("fer2013", tmp_path))}
    assert rows["samples"]["published"] == 35887 and rows["samples"]["found"] == 30
    assert rows["samples"]["differs"] == "-35857" and rows["split Training"]["published"] == 28709
    assert rows["subjects"] == {"": "subjects", "found": 0, "published": "-", "differs": ""}
