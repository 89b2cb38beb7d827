"""`fernas compare` between runs of a results folder and files from outside."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.core.io import write_parquet
from tests.fixtures.predictions import predictions


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    run = tmp_path / "results/runs/t/p/emonas/per_group/s0/t0"
    write_parquet(run / "predictions.parquet", predictions(12, right=0.9, seed=1))
    predictions(12, right=0.4, seed=2).to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "results", tmp_path / "mine.csv"


def test_a_run_by_the_beginning_of_its_path_against_a_csv(files: tuple[Path, Path]) -> None:
    results, csv = files
    told = CliRunner().invoke(app, ["compare", "t/p/emonas", str(csv), "--results", str(results)])
    assert told.exit_code == 0, told.output
    assert "12 subjects" in told.output and "permutation" in told.output and "not independent" in told.output
    as_json = CliRunner().invoke(app, ["compare", "t/p/emonas", str(csv), "--results", str(results), "--json"])
    found = json.loads(as_json.output)
    assert found["difference"]["uar"] > 0.2 and found["permutation"]["p"] < 0.05
    assert found["permutation"]["smallest_p"] <= found["permutation"]["p"]
