"""`fernas export` and `fernas predict`: a made-up final model, as ONNX, on images, a folder and frames of a clip."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.core.architecture import Architecture, parse_architecture, write_architecture
from fernas.core.config import FacesConfig
from fernas.core.errors import DataError
from fernas.core.images import read_image, write_image
from fernas.core.io import write_json
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model, samples_of
from tests.datasets.more_trees import video
from tests.spaces.examples import EMONAS, cells

CLASSES = ["negative", "positive", "surprise"]


def final(folder: Path, architecture: Architecture | None = None, **view: object) -> Path:
    """A final model's folder with random weights."""
    import torch
    from safetensors.torch import save_file

    from fernas.spaces.networks import build_network

    torch.manual_seed(0)
    size = {"cells": 3, "channels": 4, "stem": "stride2", "aux": False, "classes": 3, "input": (3, 32, 32)}
    architecture = architecture or cells(EMONAS, **size)
    net = build_network(architecture)
    if architecture.kind == "patches":
        net.set_mean_nose([(14.0, 20.0)])
    folder.mkdir(parents=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    write_architecture(folder / "architecture.json", architecture)
    seen = {"kind": "still", "size": 32, **view}
    faces = FacesConfig(detectors=("haar",), landmarkers=("eye_cascades",)).model_dump(mode="json")
    write_json(folder / "preprocessing.json", {"classes": CLASSES, "scale": "standard", "view": seen, "faces": faces})
    write_json(folder / "card.json", {"task": "t", "uar": 0.5})
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for k in range(3):
        write_image(folder / f"{k}.png", rng.integers(0, 255, (90, 80, 3), dtype=np.uint8))
    return folder


def test_onnx_answers_as_torch_does_and_says_what_it_needs(tmp_path: Path) -> None:
    found = export_onnx(final(tmp_path / "final"), tmp_path / "model.onnx")
    assert found["largest_difference"] < 1e-4 and found["input"] == [32, 32, 3] and found["bytes"] > 1000
    model = Model(tmp_path / "model.onnx")
    assert model.classes == CLASSES and model.view["size"] == 32 and model.card["uar"] == 0.5 and not model.takes_clips


def test_an_image_and_a_folder_are_answered_and_annotated(tmp_path: Path, images: Path) -> None:
    final(tmp_path / "final")
    run = CliRunner()
    told = run.invoke(app, ["export", str(tmp_path / "final"), "-o", str(tmp_path / "m.onnx"), "--json"])
    assert told.exit_code == 0 and json.loads(told.output)["checked"] == 8
    arguments = ["predict", str(tmp_path / "m.onnx"), str(images / "1.png"), str(images), "--json"]
    rows = json.loads(run.invoke(app, [*arguments, "--annotate", str(tmp_path / "drawn")]).output)
    assert [Path(row["input"]).name for row in rows] == ["1.png", "0.png", "1.png", "2.png"]
    for row in rows:
        assert sum(row[f"p_{name}"] for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert row["label"] in CLASSES and row["face"] == "not found" and row["box"] is None
    assert rows[0] == rows[2] | {"input": rows[0]["input"]}
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert len(drawn) == 4 and read_image(drawn[0]).shape == (90, 80, 3)
    assert (read_image(drawn[0]) != read_image(images / "1.png")).any()


def test_a_model_of_clips_takes_a_folder_as_one(tmp_path: Path, images: Path) -> None:
    export_onnx(final(tmp_path / "final", kind="dynamic"), tmp_path / "m.onnx")
    model = Model(tmp_path / "m.onnx")
    (row,) = model.answer(samples_of(images, model.takes_clips))
    assert row["input"] == str(images)
    with pytest.raises(DataError, match="looks at clips"):
        samples_of(images / "0.png", True)


def patches(**more: object) -> Architecture:
    """Two patches on a face of 32 px."""
    boxes = [{"dx": -6, "dy": -4, "w": 8, "h": 8}, {"dx": 5, "dy": 7, "w": 12, "h": 7}]
    network = {"classes": 3, "input": [3, 32, 32]}
    return parse_architecture({"kind": "patches", "face_px": 32, "patches": boxes, "network": network, **more})


@pytest.mark.parametrize("form", ["separate", "stacked"])
def test_a_model_on_patches_is_cut_at_each_nose_and_at_the_training_faces_mean_where_none_is_known(
    form: str, tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fernas.deploy import predict as apply

    found = export_onnx(final(tmp_path / "final", patches(form=form)), tmp_path / "m.onnx")
    assert found["largest_difference"] < 1e-4 and found["checked"] == 8
    model = Model(tmp_path / "m.onnx")
    assert model.needs_noses and not model.takes_clips
    samples = samples_of(images, False)
    without = model.answer(samples)
    assert {row["face"] for row in without} == {"not found"}

    def answer(noses: list[tuple[float, float]]) -> list[dict[str, object]]:
        with monkeypatch.context() as patch:
            patch.setattr(apply, "known_noses", lambda _: np.array(noses, np.float32))
            return model.answer(samples)

    assert answer([(14, 20)] * 3) == without  # the mean of the training faces, which the file holds
    moved = answer([(14, 20), (9, 12), (float("nan"), 12)])
    assert moved[0] == without[0] and moved[2] == without[2] and moved[1] != without[1]


def test_the_frames_of_a_video_are_answered_one_by_one_or_as_a_clip(tmp_path: Path) -> None:
    video(tmp_path / "clip.avi", 60)
    export_onnx(final(tmp_path / "final"), tmp_path / "m.onnx")
    told = CliRunner().invoke(app, ["predict", str(tmp_path / "m.onnx"), str(tmp_path / "clip.avi"), "--json"])
    names = [row["input"].rsplit("#")[-1] for row in json.loads(told.output)]
    assert len(names) == 50 and names[0] == "0" and names[-1] == "59"
    export_onnx(final(tmp_path / "clips", kind="dynamic"), tmp_path / "c.onnx")
    told = CliRunner().invoke(app, ["predict", str(tmp_path / "c.onnx"), str(tmp_path / "clip.avi"), "--json"])
    (row,) = json.loads(told.output)
    assert row["input"] == str(tmp_path / "clip.avi") and row["label"] in CLASSES
    (tmp_path / "torn.avi").write_bytes((tmp_path / "clip.avi").read_bytes()[:200])
    with pytest.raises(DataError, match=r"torn\.avi"):
        samples_of(tmp_path / "torn.avi", False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--camera", "77"], "DataError: camera 77: gives no image, expected a camera that is plugged in and free"),
        (["--camera", "-1"], "ConfigError: camera: got -1, expected a number from 0"),
        (["--camera", "0", "--frames", "0"], "ConfigError: frames: got 0, expected at least 1"),
        (["--camera", "0", "face.jpg"], "ConfigError: predict: got --camera 0 and face.jpg, expected one of them"),
        ([], "ConfigError: predict: no input; expected images, folders, videos, or --camera 0"),
    ],
)
def test_an_absent_camera_is_one_line_and_exit_status_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    export_onnx(final(tmp_path / "final"), tmp_path / "m.onnx")
    command = [sys.executable, "-m", "fernas.cli", "predict", str(tmp_path / "m.onnx"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # OpenCV writes past Python
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (2, "", said)


def test_what_cannot_be_used_is_said(tmp_path: Path, images: Path) -> None:
    with pytest.raises(DataError, match="snakemake --cores all final"):
        export_onnx(tmp_path, tmp_path / "m.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for path in (tmp_path / "broken.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(DataError, match=path.name):
            Model(path)
    with pytest.raises(DataError, match="expected an image"):
        (tmp_path / "notes.txt").write_text("x")
        samples_of(tmp_path / "notes.txt", False)
