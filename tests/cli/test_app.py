"""The command line: what it prints for a program, and one message with exit status 2 for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fernas.core.images import read_image, write_image
from tests.fixtures.dataset_trees.fer2013 import write_fer2013_csv

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {
    "autofernet": {
        "kind": "cells",
        "space": "autofernet",
        "normal": [["sep_conv_3x3", 0], ["conv_3x3", 1], ["dil_conv_5x5", 0], ["conv_1x1", 2], ["ghost", 2],
                   ["dil_conv_5x5", 3], ["skip_connect", 0], ["conv_1x1", 1]],
        "normal_concat": [2, 3, 4, 5],
        "reduce": [["max_pool_3x3", 0], ["max_pool_3x3", 1], ["max_pool_3x3", 0], ["dil_conv_5x5", 2],
                   ["avg_pool_3x3", 1], ["skip_connect", 2], ["avg_pool_3x3", 0], ["sep_conv_3x3", 2]],
        "reduce_concat": [2, 3, 4, 5],
    },
}  # fmt: skip


def fernas(*arguments: object, status: int = 0) -> str:
    command = [sys.executable, "-m", "fernas.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def fernas_json(*arguments: object):
    return json.loads(fernas(*arguments, "--json"))


def test_a_copy_whose_counts_are_not_as_published_is_status_2_and_says_how_to_go_on(tmp_path):
    write_fer2013_csv(tmp_path)
    message = fernas("check-data", "fer2013", tmp_path, status=2)
    assert "not as published: 4 samples of class anger, 4953 are published" in message
    assert "audit: {counts: report}" in message


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['fernas', '--help']\n"
        "from fernas.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'mlflow', 'cv2', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(("cells", "params"), [(12, 2_164_831), (20, 4_119_703)])
def test_complexity_of_the_published_network(tmp_path, cells, params):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(PUBLISHED["autofernet"]))
    size = ["--cells", cells, "--channels", 36, "--classes", 7, "--input", "1x48x48", "--no-latency"]
    assert fernas_json("complexity", path, *size)["params"] == params


def test_check_and_plan():
    assert fernas_json("check", "config.yaml")["runs"] > 0
    assert fernas_json("check", "configs/autofernet.yaml")["search_leaks"] == [
        "fer2013-7, official, autofernet (published): search pools as published, by position"
    ]
    plan = fernas_json("plan", "configs/tiny.yaml")
    assert plan["jobs"] == sum(stage["jobs"] for stage in plan["stages"]) and plan["core_hours"] > 0


def test_score_of_a_csv(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice(["negative", "positive", "surprise"], 60)
    scores = rng.dirichlet(np.ones(3), 60)
    table = pd.DataFrame({"sample_id": [f"s{i}" for i in range(60)], "subject": [f"p{i % 6}" for i in range(60)]})
    table["fold"], table["label"] = [i % 6 for i in range(60)], labels
    for k, name in enumerate(("negative", "positive", "surprise")):
        table[f"p_{name}"] = scores[:, k]
    table.to_csv(tmp_path / "p.csv", index=False)
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    predicted = np.array(["negative", "positive", "surprise"])[scores.argmax(1)]
    found = fernas_json("score", tmp_path / "p.csv", "--protocol", "megc2019")
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-9)
    assert found["uf1"] == pytest.approx(f1_score(labels, predicted, average="macro"), abs=1e-9)
    assert found["uar"] == pytest.approx(recall_score(labels, predicted, average="macro"), abs=1e-9)


def test_dynamic_image_sorts_frames_naturally(tmp_path):
    for number in range(1, 13):
        write_image(tmp_path / "f" / f"img{number}.png", np.full((8, 8, 3), 10 * number, np.uint8))
    image = np.tile(np.arange(8, dtype=np.uint8) * 20, (8, 1))
    write_image(tmp_path / "f" / "img13.png", np.repeat(image[:, :, None], 3, axis=2))
    fernas("dynamic-image", tmp_path / "f", "-o", tmp_path / "d.png", "--method", "bilen")
    first = read_image(tmp_path / "d.png")
    for number in range(1, 14):
        (tmp_path / "f" / f"img{number}.png").rename(tmp_path / "f" / f"img{number:03d}.png")
    fernas("dynamic-image", tmp_path / "f", "-o", tmp_path / "e.png", "--method", "bilen")
    assert (read_image(tmp_path / "e.png") == first).all()


def test_synth_then_check_data(tmp_path):
    fernas("synth", "smic", tmp_path / "smic", "--subjects", 2, "--seed", 3)
    found = fernas_json("check-data", "smic", tmp_path / "smic")
    truth = json.loads((tmp_path / "smic.truth.json").read_text())
    assert set(found) == {
        "dataset", "samples", "subjects", "classes", "splits", "problems", "not_as_published", "other_labels",
        "differences",
    }  # fmt: skip
    assert found["samples"] == truth["samples"] and found["classes"] == truth["classes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "absent.yaml"], "absent.yaml: No such file"),
        (["check-data", "casme3", "."], "did you mean"),
        (["check-data", "casme2", "/nonexistent"], "/nonexistent"),
        (["complexity", "absent.json"], "absent.json: no such file"),
        (["score", "absent.csv"], "absent.csv"),
        (["dynamic-image", "/nonexistent", "-o", "x.png"], "/nonexistent: no such folder"),
        (["compare", "/nonexistent", "/nonexistent"], "nonexistent"),
        (["track", "ui", "--results", "/nonexistent"], "mlflow.db"),
    ],
)
def test_bad_input_is_one_message_and_status_2(arguments, message):
    assert message in fernas(*arguments, status=2)


def test_score_and_compare_of_a_perfect_predictor_say_that_there_is_no_interval(tmp_path):
    labels = ["a", "b"] * 6
    table = pd.DataFrame({"sample_id": [f"s{i}" for i in range(12)], "subject": [f"p{i // 2}" for i in range(12)]})
    table["fold"], table["label"] = [i // 2 for i in range(12)], labels
    table["p_a"], table["p_b"] = [1.0, 0.0] * 6, [0.0, 1.0] * 6
    path = tmp_path / "p.csv"
    table.to_csv(path, index=False)
    assert fernas_json("score", path)["interval"]["uar"] == [None, None]
    assert "not estimable" in fernas("score", path) and "not estimable" in fernas("compare", path, path)
    table.assign(fold=0).to_csv(path, index=False)
    message = fernas("score", path, status=2)
    assert "fold 0 is tested with subject p0, p1, p2; loso tests one subject per fold" in message


def test_clean_removes_what_the_config_no_longer_has_and_only_when_it_is_named(tmp_path):
    config = tmp_path / "tiny.yaml"
    results = tmp_path / "results"
    config.write_text((ROOT / "configs" / "tiny.yaml").read_text().replace("results-tiny", str(results)))
    run = results / "runs" / "ckplus-3-rendered" / "subject2" / "emonas" / "per_group"
    for name in ("s0/g0", "s0/t0/shard0", "s0/t1/shard0", "s3/g0"):
        (run / name).mkdir(parents=True)
    assert "expected --left-over" in fernas("clean", config, status=2)
    assert fernas("clean", "--left-over", "--dry-run", config).splitlines() == [
        f"would remove {run / 's0/t1'}", f"would remove {run / 's3'}",
    ]  # fmt: skip
    assert (run / "s3" / "g0").is_dir()
    assert len(fernas("clean", "--left-over", config).splitlines()) == 2
    left = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_dir())
    assert left == ["s0", "s0/g0", "s0/t0", "s0/t0/shard0"]
    assert fernas("clean", "--left-over", config) == ""
