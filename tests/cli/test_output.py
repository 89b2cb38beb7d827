"""Commands write over nothing of the user's: existing files, inputs and datasets are refused without --force."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.cli.output import refuse_taken
from fernas.core.errors import ConfigError
from fernas.core.images import write_image
from fernas.deploy.export import export_onnx
from fernas.synth.dataset import RENDERED_NAME
from studies import planted
from tests.fixtures.final_models import write_final_model

ARCHITECTURE = Path(__file__).resolve().parents[2] / "architectures" / "darts_v2.json"
Arguments = Callable[[Path], list[object]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    export_onnx(write_final_model(folder / "final"), folder / "m.onnx")
    return folder


@pytest.fixture
def place(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of everything that a user may have."""
    for k in range(2):
        write_image(tmp_path / "frames" / f"{k}.png", np.full((40, 40, 3), 90 * k, np.uint8))
    (tmp_path / "a.json").write_bytes(ARCHITECTURE.read_bytes())
    for name in ("own.svg", "own.png", "own.onnx", "o.truth.json", "root/labels.csv", "drawn/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "rendered" / "images").mkdir(parents=True)
    (tmp_path / "rendered" / RENDERED_NAME).write_text("rendered")
    (tmp_path / "link.svg").symlink_to(tmp_path / "own.svg")
    (tmp_path / "final").symlink_to(model / "final")
    (tmp_path / "m.onnx").symlink_to(model / "m.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


REFUSED = {
    "draw over its input": (["draw", "a.json", "-o", "a.json"], "what this command reads"),
    "draw over a file": (["draw", "a.json", "-o", "own.svg"], "own.svg: exists"),
    "draw over a file through a link": (["draw", "a.json", "-o", "link.svg"], "link.svg: exists"),
    "draw into a rendered dataset": (["draw", "a.json", "-o", "rendered/images/x.svg"], "a rendered dataset"),
    "dynamic image over a frame": (["dynamic-image", "frames", "-o", "frames/0.png"], "what this command reads"),
    "dynamic image among its frames": (["dynamic-image", "frames", "-o", "frames/new.png"], "what this command reads"),
    "dynamic image over a file": (["dynamic-image", "frames", "-o", "own.png"], "own.png: exists"),
    "export over a file": (["export", "final", "-o", "own.onnx"], "own.onnx: exists"),
    "synth over a sidecar": (["synth", "ckplus", "o"], "o.truth.json: exists"),
    "synth into a full folder": (["synth", "ckplus", "drawn"], "drawn: not empty"),
    "annotate among the inputs": (["predict", "m.onnx", "frames", "--annotate", "frames"], "what this command reads"),
    "annotate below the inputs": (["predict", "m.onnx", "frames", "--annotate", "frames/x"], "what this command reads"),
    "annotate into a full folder": (["predict", "m.onnx", "frames", "--annotate", "drawn"], "drawn: not empty"),
    "annotate beside one input": (["predict", "m.onnx", "frames/0.png", "--annotate", "frames"], "frames: not empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_there_is_refused_and_left_as_it_was(case: str, place: Path) -> None:
    arguments, message = REFUSED[case]
    before = contents(place)
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, ConfigError) and message in str(error) and "--force" in str(error)
    assert contents(place) == before


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw", "a.json", "-o", "frames"], "frames: expected a file, and it is none"),
        (["draw", "a.json", "-o", ""], "expected a file, and it is none"),
        (["draw", "a.json", "-o", "own.svg/x.svg"], "own.svg is no folder"),
        (["export", "final", "-o", "frames"], "frames: expected a file, and it is none"),
        (["synth", "ckplus", "own.svg"], "own.svg: expected a folder, and it is none"),
        (["predict", "m.onnx", "frames", "--annotate", "own.svg"], "own.svg: expected a folder, and it is none"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_with_force_too(arguments, message, force, place: Path) -> None:
    before = contents(place)
    error = CliRunner().invoke(app, [*arguments, *force]).exception
    assert isinstance(error, ConfigError) and message in str(error)
    assert contents(place) == before


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["draw", "a.json", "-o", "own.svg"], "own.svg"),
        (["dynamic-image", "frames", "-o", "own.png"], "own.png"),
        (["export", "final", "-o", "own.onnx"], "own.onnx"),
        (["synth", "smic", "o", "--subjects", "1"], "o.truth.json"),
        (["predict", "m.onnx", "frames", "--annotate", "drawn"], "drawn/0000-0.png"),
    ],
)
def test_force_replaces_the_named_output_and_nothing_else(arguments, written, place: Path) -> None:
    before = contents(place)
    result = CliRunner().invoke(app, [*arguments, "--force"])
    assert result.exit_code == 0, result.exception
    after = contents(place)
    assert after[written] != before.get(written)
    assert all(after[name] == data for name, data in before.items() if name != written)


def test_force_renders_over_rendered_faces_only(place: Path) -> None:
    before = contents(place / "root")
    assert CliRunner().invoke(app, ["synth", "ckplus", "root", "--force"]).exit_code != 0
    assert contents(place / "root") == before
    result = CliRunner().invoke(app, ["synth", "smic", "rendered", "--subjects", "1", "--force"])
    assert result.exit_code == 0 and not (place / "rendered" / "images").exists()


def test_the_roots_that_the_config_in_the_working_folder_names_are_refused(place: Path) -> None:
    section = {"source": "real", "root": str(place / "root"), "adapter": "custom"}
    (place / "config.yaml").write_text(json.dumps({"datasets": {"mine": section}}))
    with pytest.raises(ConfigError, match=r"root/new.svg: is or lies in .*root, the root of mine in config.yaml"):
        refuse_taken(Path("root/new.svg"), force=False)
    refuse_taken(Path("root/new.svg"), force=True)
    (place / "config.yaml").write_text("datasets: [mine")
    refuse_taken(Path("root/new.svg"), force=False)  # a config that cannot be read names no root


def test_a_study_replaces_its_own_table_and_no_other_file(place: Path) -> None:
    arguments = ["--seeds", "0", "--out", "drawn/notes.txt"]
    with pytest.raises(ConfigError, match="notes.txt: exists"):
        planted.main(arguments)
    assert (place / "drawn" / "notes.txt").read_text() == "mine"
