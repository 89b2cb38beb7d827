"""Evaluations of genomes: what is known is not trained again."""

from dataclasses import replace

import numpy as np
import pytest

from fernas.core.seeds import rng
from fernas.search import _patch_evaluations
from fernas.search._patch_evaluations import Evaluations
from tests.fixtures.toy_searches import patch_limits, planted_search


def test_known_genomes_are_not_trained_again(tmp_path, monkeypatch):
    trained = []

    def counting(architecture, *arguments):
        trained.append(architecture)
        return evaluate(architecture, *arguments)

    evaluate = _patch_evaluations.evaluate_genome
    monkeypatch.setattr(_patch_evaluations, "evaluate_genome", counting)
    run = planted_search(tmp_path)
    evaluations = Evaluations(run.open(), run.options)
    one, two = (patch_limits().random_genome(rng(0, "genome", number)) for number in range(2))
    first = evaluations([one, two, one])
    spent = run.budget.spent
    again = evaluations([two, one])
    assert first[0] == first[2] == again[1] and first[1] == again[0]
    assert len(trained) == evaluations.trained == 2 and (evaluations.asked, evaluations.hits) == (5, 3)
    assert run.budget.spent == spent > 0


def test_what_a_checkpoint_knows_is_not_trained_again_but_counted_again(tmp_path, monkeypatch):
    run = planted_search(tmp_path)
    genome = patch_limits().random_genome(rng(0, "genome", 0))
    (expected,) = Evaluations(run.open(), run.options)([genome])
    monkeypatch.setattr(_patch_evaluations, "evaluate_genome", lambda *_: pytest.fail("trained again"))
    resumed = Evaluations(planted_search(tmp_path).open(), run.options)
    assert resumed([genome]) == [expected] and (resumed.asked, resumed.hits, resumed.trained) == (1, 0, 1)


def test_fitness_is_the_score_less_the_penalty_of_size_and_equal_ones_go_by_the_loss(tmp_path):
    run = planted_search(tmp_path, size_penalty=0.3)
    evaluations = Evaluations(run.open(), run.options)
    result = {"accuracy": 0.8, "uar": 0.8, "loss": 0.5, "params": evaluations.whole_params / 4}
    assert evaluations.fitness(result) == pytest.approx(0.8 - 0.3 / 4 - 0.5e-4)
    assert evaluations.fitness({**result, "loss": 0.4}) > evaluations.fitness(result)


def test_unknown_noses_of_either_part_become_the_mean_of_the_weights_part(tmp_path):
    run = planted_search(tmp_path)
    noses = np.tile(np.float32([20, 30]), (len(run.weights), 1))
    noses[0], noses[1] = np.nan, [30, 30]
    unknown = np.full((len(run.selection), 2), np.nan, np.float32)
    unknown[0] = [1, 2]
    run = replace(run, weights=replace(run.weights, noses=noses), selection=replace(run.selection, noses=unknown))
    evaluations = Evaluations(run.open(), run.options)
    mean = [20 + 10 / (len(run.weights) - 1), 30]
    assert evaluations.train.noses[0].tolist() == pytest.approx(mean)
    assert evaluations.selection.noses[0].tolist() == [1, 2]
    assert evaluations.selection.noses[1].tolist() == pytest.approx(mean)
