"""The manifest as a table."""

import pytest

from fernas.core.errors import ConfigError
from fernas.core.io import read_parquet, write_parquet
from fernas.datasets.manifest import build_manifest, validate_manifest
from tests.fixtures.dataset_trees.ckplus import write_ckplus
from tests.fixtures.dataset_trees.fer2013 import write_fer2013_csv


def test_manifest_survives_parquet(tmp_path):
    write_ckplus(tmp_path / "dataset")
    table = build_manifest("ckplus", tmp_path / "dataset")
    table.attrs["problems"] = ["odd"]
    write_parquet(tmp_path / "m.parquet", table)
    again = validate_manifest(read_parquet(tmp_path / "m.parquet"))
    assert again.attrs == table.attrs
    assert [list(f) for f in again["frames"]] == list(table["frames"])
    assert again["split"].isna().all() and again["onset"].dtype == "Int64"


def test_unknown_option_is_a_config_error_with_a_hint(tmp_path):
    write_fer2013_csv(tmp_path)
    with pytest.raises(
        ConfigError, match=r"datasets.fer2013.options: from: .*did you mean 'form'.*known: own_crops, form, "
    ):
        build_manifest("fer2013", tmp_path, {"from": "csv"})


def test_composite_has_no_files_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match="made of the manifests of casme2, smic, samm"):
        build_manifest("megc2019", tmp_path)
