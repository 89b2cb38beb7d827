"""A model on all subjects: it learns from every subject, and its accuracy is that of cross-validation."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fernas.core.architecture import read_architecture
from fernas.core.config import FacesConfig
from fernas.core.errors import ScienceError
from fernas.core.io import read_json, write_json, write_parquet
from fernas.deploy.final import Evidence, ImageSource, train_final
from fernas.spaces.networks import build_network
from fernas.training import run as training_run
from tests.fixtures.crops import shipped_faces
from tests.fixtures.toy_jobs import method_section, write_small_cnn
from tests.fixtures.toy_task import CLASSES, write_task

METHOD = {"recipe": "plain", "recipe_options": {"epochs": 1, "batch": 8}}


def final(tmp_path, architecture=None):
    task = write_task(tmp_path / "task")
    path = write_small_cnn(tmp_path / "architecture.json")
    scores = []
    for seed, uar in enumerate((0.5, 0.7)):
        scores.append(tmp_path / f"scores{seed}.json")
        write_json(scores[-1], {"uar": uar, "accuracy": 0.6, "uf1": 0.4, "interval": {"uar": [0.4, 0.8]}})
    job = task.job(tmp_path / "out", "k", 1, work_dir=tmp_path / "work")
    evidence = Evidence("toy-rendered", "kfold", "small_cnn", tuple(scores))
    write_parquet(tmp_path / "faces.parquet", shipped_faces(pd.read_parquet(task.table)["source_id"]))
    image = ImageSource({"kind": "still", "size": 16}, FacesConfig(), tmp_path / "faces.parquet")
    train_final(job, method_section(**METHOD), architecture or path, evidence, image)
    return tmp_path / "out"


def test_it_loads_with_nothing_else_and_quotes_cross_validation(tmp_path, monkeypatch):
    sizes = []
    fold_tasks = training_run._fold_tasks

    def watched(*arguments):
        tasks = fold_tasks(*arguments)
        sizes.extend((len(task.train), len(task.inner)) for task in tasks)
        return tasks

    monkeypatch.setattr(training_run, "_fold_tasks", watched)
    out = final(tmp_path)
    assert sizes == [(42, 6)], "eight subjects with six images: all of them"
    net = build_network(read_architecture(out / "architecture.json")).eval()
    net.load_state_dict(load_file(out / "model.safetensors"))
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 16, 16)).shape == (1, 3)
    before, card = read_json(out / "preprocessing.json"), read_json(out / "card.json")
    assert before["classes"] == CLASSES and before["scale"] == "symmetric" and before["view"]["size"] == 16
    assert before["crops"] == {
        "share": 1, "width": [48, 48], "height": [48, 48], "aspect": [1, 1],
        "eyes_found": 48, "eye_line": 0.4, "eye_distance": 0.35,
    }  # fmt: skip
    assert card["uar"] == pytest.approx(0.6) and card["samples"] == 48 and card["rendered"] is True
    assert "cross-validation" in card["accuracy_is"] and card["uar_interval"] is None
    assert not list((tmp_path / "work").glob("*")), "nothing is left behind"


def test_a_failed_search_is_its_reason(tmp_path):
    (tmp_path / "g0").mkdir()
    empty = tmp_path / "g0" / "architecture.json"
    empty.write_bytes(b"")
    write_json(tmp_path / "g0" / "status.json", {"status": "failed", "reason": "an alpha became NaN"})
    with pytest.raises(ScienceError, match="an alpha became NaN"):
        final(tmp_path, architecture=empty)
