"""The rule `audit_dataset`: what stops a run before anything is aligned or trained."""

import runpy
from pathlib import Path

import pytest

from fernas.core.config import AuditConfig
from fernas.core.errors import DataError
from fernas.core.io import read_json, write_parquet
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.fer2013 import write_fer2013_csv

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "audit_dataset.py"


def run(root: Path, **rules: str) -> Path:
    write_fer2013_csv(root / "data")
    write_parquet(root / "manifest.parquet", build_manifest("fer2013", root / "data"))
    source = {"name": "fer2013", "roots": {"fer2013": str(root / "data")}, "adapters": {"fer2013": "fer2013"}}
    audit = root / "out" / "audit.json"
    options = AuditConfig(**rules).model_dump()
    main = runpy.run_path(str(SCRIPT))["main"]
    main(str(root / "manifest.parquet"), [], str(audit), str(root / "out" / "groups.parquet"), source, options)
    return audit


def test_counts_that_are_not_as_published_stop_the_job_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fer2013: not as published: 4 samples of class anger, 4953 are published"):
        run(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_dataset_is_used_where_the_config_says_so(tmp_path: Path) -> None:
    found = read_json(run(tmp_path, counts="report"))
    assert "4 samples of class anger, 4953 are published" in found["problems"]
