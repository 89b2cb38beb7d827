"""The support vector machine on features: what it learns from, what it chooses by, and its files."""

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from fernas.core.architecture import NamedArchitecture, Network, write_architecture
from fernas.core.io import read_json, read_jsonl, read_parquet, write_npy, write_parquet
from fernas.learn.arrays import ArrayPart
from fernas.spaces.complexity import params
from fernas.training.svm import ABSENT, SvmConfig, fit_linear
from tests.fixtures.toy_jobs import predict_toy, train_toy
from tests.fixtures.toy_task import CLASSES, write_task

FEATURES = 6
METHOD = {"recipe": "svm", "recipe_options": {"c": [0.01, 1.0]}}


def features_of(labels, seed=0):
    """float32 (N, 1, 1, F): the class shifts one feature, the others are noise of very different scales."""
    x = np.random.default_rng(seed).normal(size=(len(labels), FEATURES)) * np.logspace(-3, 3, FEATURES)
    x[np.arange(len(labels)), labels] += 3 * np.logspace(-3, 3, FEATURES)[labels]
    return x.astype(np.float32).reshape(-1, 1, 1, FEATURES)


@pytest.fixture
def task(tmp_path):
    files = write_task(tmp_path)
    table = read_parquet(tmp_path / "inputs.parquet")
    write_npy(tmp_path / "inputs.npy", features_of(table["class_index"].to_numpy()))
    return files


def architecture(folder):
    block = Network(classes=3, input=(FEATURES, 1, 1))
    machine = NamedArchitecture(name="linear_svm", network=block)
    write_architecture(folder / "architecture.json", machine)
    assert params(machine) == 3 * FEATURES + 3
    return folder / "architecture.json"


def train(task, folder, shard, **changes):
    values = {"shard": (shard, 2), "seed": 1, "work_dir": folder / "work", "method": METHOD, **changes}
    return train_toy(task, folder / f"shard{shard}", [architecture(task.root)], **values)


def test_it_learns_and_predicts_through_the_same_files(task, tmp_path):
    for shard in (0, 1):
        assert train(task, tmp_path, shard) == "ok"
    rows = read_jsonl(tmp_path / "shard0" / "training.jsonl")
    assert [(row["fold"], row["c"]) for row in rows] == [(0, 0.01), (0, 1.0)] and "inner_uar" in rows[0]
    shards = [tmp_path / "shard0", tmp_path / "shard1"]
    assert predict_toy(task, tmp_path / "p.parquet", [task.root / "architecture.json"], shards, METHOD) == "ok"
    frame = read_parquet(tmp_path / "p.parquet")
    predictions = frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1)
    truth = [CLASSES.index(label) for label in frame["label"]]
    assert len(frame) == 48 and (predictions == truth).mean() > 0.8
    assert np.allclose(frame[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1)


def test_neither_scaling_nor_machine_sees_inner_validation_or_test(task, tmp_path):
    """Wild values in the other parts change nothing in what was fitted with one C."""
    method = {"recipe": "svm", "recipe_options": {"c": [0.1]}}
    assert train(task, tmp_path / "a", 0, method=method) == "ok"
    fold = read_json(task.root / "folds.train.json")["folds"][0]
    table = read_parquet(task.root / "inputs.parquet")
    array = features_of(table["class_index"].to_numpy())
    array[~table["sample_id"].isin(fold["weights"] + fold["selection"]).to_numpy()] *= -1000
    write_npy(task.root / "inputs.npy", array)
    assert train(task, tmp_path / "b", 0, method=method) == "ok"
    a, b = (load_file(tmp_path / name / "shard0" / "models.safetensors") for name in "ab")
    assert all(bool((a[key] == b[key]).all()) for key in a)


def test_the_folded_machine_equals_scikit_learns():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    labels = np.arange(60) % 3
    part = ArrayPart.of(features_of(labels), labels)
    weight, bias = fit_linear(part, 4, 0.1, SvmConfig(), 0)
    x = part.images.reshape(60, -1).astype(float)
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.1, class_weight="balanced", random_state=0, max_iter=5000))
    machine.fit(x, labels)
    scores = x @ weight.T + bias
    assert np.allclose(scores[:, :3], machine.decision_function(x), atol=0.02)
    assert (scores[:, 3] == ABSENT).all(), "a class that the train split lacks is never predicted"


def test_two_classes_have_two_scores():
    labels = np.arange(40) % 2
    weight, bias = fit_linear(ArrayPart.of(features_of(labels), labels), 2, 0.1, SvmConfig(), 0)
    assert np.allclose(weight[0], -weight[1]) and bias[0] == pytest.approx(-bias[1])
    scores = features_of(labels, 1).reshape(40, -1) @ weight.T + bias
    assert (scores.argmax(1) == labels).mean() > 0.8


def test_one_class_in_the_train_split_is_a_failure_with_its_reason(task, tmp_path):
    table = pd.read_parquet(task.root / "inputs.parquet")
    table["class_index"], table["label"] = 0, CLASSES[0]
    write_parquet(task.root / "inputs.parquet", table)
    assert train(task, tmp_path, 0) == "failed"
    assert "two classes" in read_json(tmp_path / "shard0" / "status.json")["reason"]


def test_of_equal_inner_scores_the_smaller_c_is_chosen(task, tmp_path):
    for name, cs in (("both", [1.0, 0.1]), ("smaller", [0.1]), ("larger", [1.0])):
        assert train(task, tmp_path / name, 0, method={"recipe": "svm", "recipe_options": {"c": cs}}) == "ok"
    uar = [row["inner_uar"] for row in read_jsonl(tmp_path / "both" / "shard0" / "training.jsonl")]
    assert uar[0] == uar[1]
    both, smaller, larger = (
        load_file(tmp_path / name / "shard0" / "models.safetensors") for name in ("both", "smaller", "larger")
    )
    assert all(bool((both[key] == smaller[key]).all()) for key in both)
    assert not all(bool((both[key] == larger[key]).all()) for key in both)


def test_c_is_chosen_by_inner_validation_not_by_the_training_samples(task, tmp_path, monkeypatch):
    smaller, larger = {"accuracy": 0.5, "inner_uar": 0.9}, {"accuracy": 0.9, "inner_uar": 0.5}
    scores = iter([smaller, larger])
    monkeypatch.setattr("fernas.training.svm._scores", lambda *_: next(scores))
    method = {"recipe": "svm", "recipe_options": {"c": [0.1, 1.0]}}
    assert train(task, tmp_path / "both", 0, method=method) == "ok"
    monkeypatch.undo()
    method["recipe_options"] = {"c": [0.1]}
    assert train(task, tmp_path / "smaller", 0, method=method) == "ok"
    both, alone = (load_file(tmp_path / name / "shard0" / "models.safetensors") for name in ("both", "smaller"))
    assert all(bool((both[key] == alone[key]).all()) for key in both)
