"""Runs are found by folder, path and key."""

import pytest

from fernas.core.errors import DataError
from fernas.core.io import write_json, write_parquet
from fernas.scoring.runs import find_run
from tests.fixtures.predictions import predictions


def test_runs_are_found_by_folder_path_and_key(tmp_path):
    names = [
        "ckplus-7n/loso/emonas/per_group/s0/t0",
        "ckplus-7n/loso/emonas/per_group/s0/t1",
        "jaffe-7/loso/darts/per_group/s0/t0",
    ]
    for number, name in enumerate(names):
        folder = tmp_path / "runs" / name
        write_parquet(folder / "predictions.parquet", predictions(3))
        write_json(folder / "status.json", {"run_key": f"{number}abc", "status": "ok"})
    assert find_run(str(tmp_path / "runs" / names[0]), tmp_path) == tmp_path / "runs" / names[0]
    assert find_run("jaffe-7", tmp_path) == find_run("2ab", tmp_path) == tmp_path / "runs" / names[2]
    assert find_run(names[1] + "/", tmp_path) == tmp_path / "runs" / names[1]
    with pytest.raises(DataError, match="ckplus: 2 runs start with this"):
        find_run("ckplus", tmp_path)
    with pytest.raises(DataError, match="no such run"):
        find_run("mug", tmp_path)
    with pytest.raises(DataError, match="none below"):
        find_run("mug", tmp_path / "nowhere")
