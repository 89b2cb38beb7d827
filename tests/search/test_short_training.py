"""The short training of a candidate: what it learns from and what it is scored on."""

from dataclasses import replace

import torch

from fernas.core.architecture import NamedArchitecture, Network
from fernas.learn.config import FitConfig
from fernas.learn.evaluate import evaluate
from fernas.learn.history import Snapshots
from fernas.search import _short_training
from fernas.search._short_training import ShortTraining, train_and_score
from tests.fixtures.toy_searches import search_context
from tests.fixtures.toy_task import part

CPU = torch.device("cpu")
CONFIG = FitConfig(epochs=2, batch=8, batch_share=1.0)


def trained(folder, **parts):
    run = search_context("random", "emonas", folder, **parts)
    session = run.open()
    architecture = NamedArchitecture(name="small_cnn", network=Network(classes=3, input=(3, 16, 16)))
    return train_and_score(run, architecture, ShortTraining(CONFIG, 3, CPU, Snapshots(session.snapshots.store)), None)


def moved_on(samples):
    """The same images with the label of the next class."""
    return replace(samples, labels=(samples.labels + 1) % 3)


def test_a_candidate_learns_from_the_weights_part_and_is_scored_on_the_selection_part(tmp_path, monkeypatch):
    networks = []
    build = _short_training.build_network
    monkeypatch.setattr(_short_training, "build_network", lambda *a: networks.append(build(*a)) or networks[-1])
    first = trained(tmp_path / "first")
    assert first.scores == evaluate(networks[0], part(6, seed=2), CONFIG.augment, 3, CPU)
    other_selection = trained(tmp_path / "selection", selection=moved_on(part(6, seed=2)))
    assert other_selection.loss == first.loss and other_selection.scores != first.scores
    other_inner = trained(tmp_path / "inner", inner_validation=moved_on(part(6, seed=3)))
    assert other_inner == first
    assert trained(tmp_path / "weights", weights=moved_on(part(8, seed=1))).loss != first.loss
