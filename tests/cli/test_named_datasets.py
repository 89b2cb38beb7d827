"""Every command that reads a config accepts datasets with names of their own (`adapter:`)."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fernas.cli.app import app
from fernas.core.io import read_json
from tests.cli.test_app import fernas as run_fernas

STUDY = {
    "datasets": {
        "lab": {"adapter": "custom", "source": "real"},
        "smic_vis": {"adapter": "smic", "source": "rendered", "rendered": {"subjects": 2}},
    },
    "views": {"still": {"kind": "still", "size": 24}, "dyn": {"kind": "dynamic", "size": 24}},
    "tasks": {
        "lab-2": {"dataset": "lab", "classes": ["joy", "calm"], "view": "still"},
        "vis-3": {
            "dataset": "smic_vis",
            "classes": ["negative", "positive", "surprise"],
            "view": "dyn",
            "frames": {"kind": "clip"},
        },
    },
    "protocols": {"loso": {"kind": "loso", "groups": 2, "shards": 1}},
    "methods": {
        "small_cnn": {"search": "fixed", "search_options": {"name": "small_cnn"}},
        "emonas": {"search": "darts_first", "space": "emonas", "network": {"cells": 3, "channels": 4}},
    },
    "study": [
        {"task": "lab-2", "protocol": "loso", "methods": ["small_cnn", "emonas"]},
        {"task": "vis-3", "protocol": "loso", "methods": ["small_cnn", "emonas"]},
    ],
}
COMMANDS = (
    ("check",),
    ("plan",),
    ("plan", "--nodes", "2"),
    ("retry-failed",),
    ("report",),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config file with a private dataset and a second SMIC, and a root for the first."""
    root = tmp_path / "lab"
    root.mkdir()
    (root / "list.csv").write_text("path,label,subject\n")
    study = json.loads(json.dumps(STUDY))
    study["results"] = str(tmp_path / "results")
    study["datasets"]["lab"]["root"] = str(root)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_accepts_datasets_with_names_of_their_own(command: tuple[str, ...], config: Path) -> None:
    result = CliRunner().invoke(app, [command[0], str(config), *command[1:]])
    assert result.exit_code == 0, (result.output, result.exception)


def test_a_plan_counts_what_the_adapters_declare(config: Path) -> None:
    plan = json.loads(run_fernas("plan", config, "--json"))
    assert plan["jobs"] > 20 and plan["core_hours"] > 0
    jobs = {row["stage"]: row["jobs"] for row in plan["stages"]}
    assert jobs["synthesize"] == 1 and jobs["build_manifest"] == 2


def test_a_rendered_dataset_is_written_and_read_by_its_adapter(tmp_path: Path) -> None:
    run_fernas("synth", "smic", tmp_path / "smic", "--subjects", 2)
    run_fernas("check-data", "smic", tmp_path / "smic")
    assert read_json(tmp_path / "smic.truth.json")["dataset"] == "smic"
