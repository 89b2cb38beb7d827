"""The replica of best-on-test selection: training keeps copies, and only a column of its own shows the best of them."""

import numpy as np
import pytest
from safetensors import safe_open

from fernas.core.io import read_json, read_parquet
from fernas.metrics import uar
from fernas.scoring.scores import score_predictions
from fernas.training.combine import combine_predictions
from fernas.training.oracle import CHOSEN, best_on_test
from fernas.training.predict import FoldNetworks
from tests.fixtures.toy_jobs import NO_AUGMENTATION, predict_toy, train_toy, write_small_cnn
from tests.fixtures.toy_task import CLASSES, write_task

PLAIN = {"recipe": "plain", "recipe_options": {"epochs": 5, "batch": 8, "lr": 0.01, "augment": NO_AUGMENTATION}}


def run(tmp_path, method, name):
    files = write_task(tmp_path)
    architectures = [write_small_cnn(tmp_path / "a.json")]
    assert train_toy(files, tmp_path / name, architectures, method) == "ok"
    assert not (tmp_path / "work" / name).exists()
    out = tmp_path / name / "predictions.parquet"
    assert predict_toy(files, out, architectures, [tmp_path / name], method) == "ok"
    return read_parquet(out)


def with_copies(method, every):
    return {**method, "recipe_options": {**method["recipe_options"], "oracle_every": every}}


def heads(tmp_path, name):
    with safe_open(tmp_path / name / "models.safetensors", framework="pt") as file:
        return {key.partition("/")[0] for key in file.keys()}  # noqa: SIM118


def test_copies_change_nothing_but_columns_of_their_own(tmp_path):
    bare, table = run(tmp_path, PLAIN, "bare"), run(tmp_path, with_copies(PLAIN, 2), "copies")
    assert "oracle" not in bare and heads(tmp_path, "bare") == {"fold0", "fold1"}
    assert heads(tmp_path, "copies") == {"fold0", "fold1", "fold0@1", "fold0@3", "fold1@1", "fold1@3"}
    assert bare.equals(table[bare.columns.tolist()])
    plain, scores = score_predictions(bare), score_predictions(table)
    oracle = scores.pop("oracle")
    assert scores == plain and set(oracle["epochs"]) == {"0", "1"} and set(oracle["epochs"].values()) <= {CHOSEN, 1, 3}
    true = np.array([CLASSES.index(name) for name in table["label"]])
    predictions = np.array([CLASSES.index(name) for name in table["oracle"]])
    assert oracle["uar"] == pytest.approx(uar(true, predictions, 3))


def test_each_fold_takes_the_epoch_with_the_highest_uar_on_its_test_split(tmp_path):
    """Every epoch kept: no epoch's weights, nor the chosen ones, score higher on a fold's test samples."""
    from fernas.core.architecture import read_architecture
    from fernas.learn.arrays import Inputs
    from fernas.learn.config import AugmentConfig
    from fernas.learn.evaluate import evaluate
    from fernas.learn.runtime import pick_device

    table = run(tmp_path, with_copies(PLAIN, 1), "all")
    inputs = Inputs.read(tmp_path / "inputs.npy", tmp_path / "inputs.parquet", CLASSES)
    tests = {entry["fold"]: entry["test"] for entry in read_json(tmp_path / "folds.test.json")["folds"]}
    architecture = read_architecture(tmp_path / "a.json")
    for fold, block in table.groupby("fold"):
        true = np.array([CLASSES.index(name) for name in block["label"]])
        got = uar(true, np.array([CLASSES.index(name) for name in block["oracle"]]), 3)
        part, networks = inputs.part(tests[fold]), FoldNetworks({fold: architecture}, (tmp_path / "all",))
        every = [
            evaluate(networks.load(fold, e), part, AugmentConfig(**NO_AUGMENTATION), 3, pick_device("cpu"))
            for e in (CHOSEN, 0, 1, 2, 3, 4)
        ]
        assert got == pytest.approx(max(scores["uar"] for scores in every))


def test_of_equals_the_model_that_counts_stands():
    labels = np.array([0, 1])
    right, half = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.9, 0.1], [0.8, 0.2]])
    assert best_on_test(["a", "b"], labels, {CHOSEN: right, 4: right}) == (["a", "b"], CHOSEN)
    assert best_on_test(["a", "b"], labels, {CHOSEN: half, 4: right, 9: right}) == (["a", "b"], 4)


def test_relabelling_keeps_copies_of_its_second_phase_and_ensembles_have_none(tmp_path):
    options = {"epochs": 2, "batch": 8, "augment": NO_AUGMENTATION, "strategy": 1, "relabel": {"epochs": 3, "batch": 8}}
    table = run(tmp_path, with_copies({"recipe": "relabel", "recipe_options": options}, 3), "relabel")
    assert heads(tmp_path, "relabel") == {"fold0", "fold1", "fold0@2", "fold1@2"} and "oracle" in table
    assert not {"oracle", "oracle_epoch"} & set(combine_predictions([table, table]).columns)
