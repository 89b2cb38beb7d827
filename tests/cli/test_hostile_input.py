"""Input that used to end in a traceback: one line that says what, where, got, expected, and exit status 2."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fernas.core.errors import DataError
from fernas.core.images import write_image
from fernas.core.io import write_json
from fernas.deploy.export import export_onnx
from fernas.tracking import follow
from tests.cli.test_app import PUBLISHED
from tests.fixtures.command_line import call
from tests.fixtures.final_models import write_final_model
from tests.fixtures.rendered_clips import still

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "tiny.yaml"
SIZE = ("--cells", 3, "--channels", 4, "--classes", 3, "--input", "1x48x48")


def refused(*arguments, status=2):
    """The one line on stderr of a call that ends with status 2."""
    answer = call(*arguments)
    assert answer.status == status, answer
    (line,) = answer.err.splitlines()
    return line


@pytest.fixture
def architecture(tmp_path):
    write_json(tmp_path / "a.json", PUBLISHED["autofernet"])
    return tmp_path / "a.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# ä".encode("latin-1"), "not UTF-8 text"),
        ("a: 1".encode("utf-16"), "not UTF-8 text"),
        (b"a: " + b"[" * 2000, "not valid yaml (nested too deeply"),
        (b"a: {", "not valid yaml"),
        (b"seed: " + b"9" * 5000, "not valid yaml"),
        (b"a: 2020-13-13", "not valid yaml"),
    ],
)
@pytest.mark.parametrize("command", ["check", "retry-failed"])
def test_a_config_that_is_no_text_or_no_yaml(command, content, message, tmp_path):
    (tmp_path / "c.yaml").write_bytes(content)
    line = refused(command, tmp_path / "c.yaml")
    assert line.startswith(f"ConfigError: {tmp_path}/c.yaml: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tracking": {"uri": ""}}, "tracking uri: ''"),
        ({"tracking": {"uri": "file:///x"}}, "tracking uri: 'file:///x'"),
        ({"tracking": {"uri": "javascript:1"}}, "tracking uri: 'javascript:1'"),
        ({"tracking": {"every_s": float("inf")}}, "tracking.every_s: Input should be a finite number"),
        ({"faces": {"landmark_model": "/nonexistent"}}, "faces.landmark_model: /nonexistent does not exist"),
        ({"scoring": {"resamples": 10**12}}, "scoring.resamples: Input should be less than"),
        ({"threads": 10**9}, "threads: Input should be less than"),
        ({"threads": True}, "threads: Value error, expected a number, got True"),
        ({"faces": {"eye_line": True}}, "faces.eye_line: Value error, expected a number, got True"),
    ],
    ids=str,
)
def test_check_refuses_what_would_fail_later(change, message, tmp_path):
    document = yaml.safe_load(CONFIG.read_text())
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**document, **change}))
    assert message in refused("check", tmp_path / "c.yaml")


def test_a_network_beyond_any_computer_is_refused_before_it_is_built(architecture, monkeypatch):
    from fernas.spaces import networks

    monkeypatch.setattr(networks.importlib, "import_module", lambda _: pytest.fail("was built"))
    for name, value in (("cells", 5000), ("channels", 10**12), ("channels", 10**30), ("classes", 10**12)):
        line = refused("complexity", architecture, *SIZE, f"--{name}", value)
        assert f"network.{name} must be in 1.." in line and f"got {value}" in line
    line = refused("complexity", architecture, *SIZE, "--input", "1x20000x20000")
    assert "network.input 1x20000x20000, expected at most" in line
    assert "expected CxHxW" in refused("complexity", architecture, *SIZE, "--input", "²x48x48")
    assert refused("complexity", architecture.parent).endswith(": Is a directory")


def test_a_network_that_is_too_large_to_run_is_counted_but_its_latency_is_not_measured(architecture, monkeypatch):
    from fernas.spaces import complexity

    monkeypatch.setattr(complexity, "latency", lambda *_, **__: pytest.fail("was measured"))
    large = ("--cells", 3, "--channels", 4000, "--classes", 3, "--input", "1x48x48")
    assert "--no-latency counts only" in refused("complexity", architecture, *large)
    assert call("complexity", architecture, *large, "--no-latency").status == 0


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({**PUBLISHED["autofernet"], "network": {"cells": 5000}}, "cells.network.cells"),
        ({**PUBLISHED["autofernet"], "normal": [["skip_connect", 0]] * 5000}, "cells.normal"),
        ({"kind": "patches", "face_px": 64, "patches": [{"dx": 0, "dy": 0, "w": 8, "h": 8}] * 5000}, "patches.patches"),
        ({"kind": "patches", "face_px": 10**9, "patches": [{"dx": 0, "dy": 0, "w": 8, "h": 8}]}, "patches.face_px"),
    ],
    ids=["cells", "pairs", "patches", "face"],
)
def test_a_file_that_asks_for_thousands_of_cells_or_patches(document, where, tmp_path):
    write_json(tmp_path / "a.json", document)
    assert f"a.json: {where}: " in refused("complexity", tmp_path / "a.json", *SIZE)


def test_an_output_that_is_no_file(architecture, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert "expected a file" in refused("draw", architecture, "-o", tmp_path)
    assert "expected a file" in refused("draw", architecture, "-o", "")
    with pytest.raises(DataError, match="is a folder, expected the name of a file"):
        write_json(tmp_path, {})
    with pytest.raises(DataError, match=f"{architecture} is a file, expected a folder to write into"):
        write_json(architecture / "x.json", {})
    assert f"{architecture} is no folder" in refused("draw", architecture, "-o", architecture / "x.svg")
    assert refused("draw", architecture, "-o", tmp_path / ("x" * 300)).startswith("OSError: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("column", ["fold", "sample_id", "subject", "dataset"])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}], ids=["list", "mapping"])
def test_predictions_with_lists_or_mappings(column, value, tmp_path):
    table = {"sample_id": ["a", "b"], "fold": [0, 1], "label": ["x", "y"], "subject": ["1", "2"]}
    table |= {"dataset": ["d", "d"], "p_x": [0.6, 0.2], "p_y": [0.4, 0.8], column: [value, value]}
    pd.DataFrame(table).to_parquet(tmp_path / "p.parquet")
    for arguments in (["score", tmp_path / "p.parquet"], ["compare", tmp_path / "p.parquet", tmp_path / "p.parquet"]):
        line = refused(*arguments)
        assert "p.parquet: row 1" in line and f"{column} is " in line and "expected a text or a number" in line


@pytest.mark.parametrize("text", ["a={", "a=!!python/object:os.system x", "a=" + "[" * 2000, "a"])
def test_options_that_are_no_yaml(text, tmp_path):
    assert refused("check-data", "custom", tmp_path, "--option", text).startswith("ConfigError: --option")
    assert refused("synth", "jaffe", tmp_path / "new", "--option", text).startswith("ConfigError: --option")


def test_rendered_faces_are_not_written_to_a_file_a_link_or_no_name(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path / "folder")
    before = sorted(tmp_path.rglob("*"))
    for out in (".", "", tmp_path / "file", tmp_path / "link", tmp_path / "dangling"):
        assert refused("synth", "jaffe", out).startswith("ConfigError: ")
    refused("synth", "jaffe", tmp_path / "file" / "below")
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "file").read_text() == "kept"


def test_a_mirror_of_nothing_or_into_nothing_is_an_error(tmp_path, monkeypatch):
    assert "no runs in this folder" in refused("track", "sync", "--results", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    (tmp_path / "runs").mkdir()
    dead = follow.Report(error="connection refused")
    monkeypatch.setattr(follow.Mirror, "pass_once", lambda *_, **__: dead)
    monkeypatch.setattr(follow.time, "sleep", lambda _: None)
    answer = call("track", "sync", "--results", tmp_path, "--uri", "http://127.0.0.1:9")
    assert answer.status == 2 and not answer.out
    assert "expected seconds above 0" in refused("track", "follow", "--results", tmp_path, "--every", "nan")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    export_onnx(write_final_model(folder / "final"), folder / "m.onnx")
    return folder / "m.onnx"


def test_a_name_that_is_no_utf8_comes_back_from_json_as_it_was(model, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    write_image(tmp_path / "face.png", still(0)[0])
    os.rename(tmp_path / "face.png", path)
    answer = call("predict", model, path, "--json")
    assert answer.status == 0 and json.loads(answer.out)[0]["input"] == path
    answer = call("predict", model, path, "--annotate", tmp_path / "drawn")
    assert answer.status == 0 and len(list((tmp_path / "drawn").iterdir())) == 1


def test_predict_with_an_image_of_one_row_a_far_camera_and_a_file_for_a_folder(model, tmp_path):
    write_image(tmp_path / "wide.png", np.full((1, 30000, 3), 99, np.uint8))
    assert "not found" in call("predict", model, tmp_path / "wide.png").out
    assert "camera: got 99999999999" in refused("predict", model, "--camera", 99999999999)
    assert "expected a folder" in refused("predict", model, tmp_path / "wide.png", "--annotate", model)


def test_a_model_of_many_gigabytes_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    import onnx

    with open(tmp_path / "m.onnx", "wb") as file:
        file.truncate(8 << 30)
    monkeypatch.setattr(onnx, "load", lambda *_, **__: pytest.fail("was loaded"))
    assert "8589934592 bytes, expected less than 2 GiB" in refused("predict", tmp_path / "m.onnx", tmp_path)
