"""`fernas export` and `fernas predict` on images, folders, videos and an absent camera."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.core.images import read_image, write_image
from fernas.deploy.export import export_onnx
from tests.fixtures.dataset_trees.files import write_video
from tests.fixtures.final_models import CLASSES, write_final_model


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for k in range(3):
        write_image(folder / f"{k}.png", rng.integers(0, 255, (90, 80, 3), dtype=np.uint8))
    return folder


def test_an_image_and_a_folder_are_predicted_and_annotated(tmp_path: Path, images: Path) -> None:
    write_final_model(tmp_path / "final")
    run = CliRunner()
    result = run.invoke(app, ["export", str(tmp_path / "final"), "-o", str(tmp_path / "m.onnx"), "--json"])
    assert result.exit_code == 0 and json.loads(result.output)["checked"] == 8
    arguments = ["predict", str(tmp_path / "m.onnx"), str(images / "1.png"), str(images), "--json"]
    result = run.invoke(app, [*arguments, "--annotate", str(tmp_path / "drawn")])
    rows = json.loads(result.stdout)
    assert [Path(row["input"]).name for row in rows] == ["1.png", "0.png", "1.png", "2.png"]
    for row in rows:
        assert sum(row[f"p_{name}"] for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert row["label"] in CLASSES and row["face"] == "not found" and row["box"] is None
    assert rows[0] == rows[2] | {"input": rows[0]["input"]}
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert len(drawn) == 4 and read_image(drawn[0]).shape == (90, 80, 3)
    assert (read_image(drawn[0]) != read_image(images / "1.png")).any()


def test_the_frames_of_a_video_are_predicted_one_by_one_or_as_a_clip(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", 60)
    export_onnx(write_final_model(tmp_path / "final"), tmp_path / "m.onnx")
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "m.onnx"), str(tmp_path / "clip.avi"), "--json"])
    names = [row["input"].rsplit("#")[-1] for row in json.loads(result.stdout)]
    assert len(names) == 50 and names[0] == "0" and names[-1] == "59"
    export_onnx(write_final_model(tmp_path / "clips", kind="dynamic"), tmp_path / "c.onnx")
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "c.onnx"), str(tmp_path / "clip.avi"), "--json"])
    (row,) = json.loads(result.stdout)
    assert row["input"] == str(tmp_path / "clip.avi") and row["label"] in CLASSES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--camera", "77"], "DataError: camera 77: gives no image, expected a camera that is plugged in and free"),
        (["--camera", "-1"], "ConfigError: camera: got -1, expected a number from 0 to 99"),
        (["--camera", "0", "--frames", "0"], "ConfigError: frames: got 0, expected at least 1"),
        (["--camera", "0", "face.jpg"], "ConfigError: predict: got --camera 0 and face.jpg, expected one of them"),
        ([], "ConfigError: predict: no input; expected images, folders, videos, or --camera 0"),
    ],
)
def test_an_absent_camera_is_one_line_and_exit_status_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    export_onnx(write_final_model(tmp_path / "final"), tmp_path / "m.onnx")
    command = [sys.executable, "-m", "fernas.cli", "predict", str(tmp_path / "m.onnx"), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)  # OpenCV writes past Python
    assert (process.returncode, process.stdout, process.stderr.strip()) == (2, "", message)
