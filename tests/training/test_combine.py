"""Ensembles of stored predictions."""

import json

import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ContractError
from fernas.core.io import read_parquet, write_parquet
from fernas.core.run_log import RunLog
from fernas.training.combine import combine_predictions, run_combine
from tests.fixtures.toy_task import CLASSES


def test_combining_predictions_equals_the_mean_of_the_logits(tmp_path):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (3, 10, 4))
    names = ["p_a", "p_b", "p_c", "p_d"]
    frames = []
    for z in logits:
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        frame = pd.DataFrame(p, columns=names)
        frame.insert(0, "sample_id", [f"s{i}" for i in range(10)])
        frame.insert(1, "fold", 0)
        frame.insert(2, "label", "a")
        frames.append(frame)
    mean = logits.mean(0)
    expected = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    shuffled = frames[1].sample(frac=1, random_state=1)
    combined = combine_predictions([frames[0], shuffled, frames[2]])
    assert np.allclose(combined[names].to_numpy(), expected)
    with pytest.raises(ContractError, match="sample_id"):
        combine_predictions([frames[0], frames[1].assign(sample_id="other")])
    assert json.dumps(list(combined.columns))


def frame(logits):
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    columns = {f"p_{name}": p[:, k] for k, name in enumerate(CLASSES)}
    count = len(p)
    return pd.DataFrame({"sample_id": [f"s{i}" for i in range(count)], "fold": 0, "label": CLASSES[0], **columns})


def test_an_ensemble_is_the_softmax_of_the_mean_logits(tmp_path):
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(5, 3)) * 3 for _ in range(3)]
    files, folders = [], []
    for k, z in enumerate(logits):
        folder = tmp_path / f"m{k}"
        write_parquet(folder / "predictions.parquet", frame(z))
        log = RunLog(folder)
        log.start({})
        log.finish("ok")
        files.append(folder / "predictions.parquet"), folders.append(folder)
    assert run_combine(files, folders, tmp_path / "e.parquet") == "ok"
    probabilities = read_parquet(tmp_path / "e.parquet")[[f"p_{name}" for name in CLASSES]].to_numpy()
    mean = np.exp(np.mean(logits, 0))
    assert np.allclose(probabilities, mean / mean.sum(1, keepdims=True), atol=1e-12)
    RunLog(folders[1]).finish("failed", "nan")
    assert run_combine(files, folders, tmp_path / "e.parquet") == "failed"
    assert (tmp_path / "e.parquet").stat().st_size == 0
