"""Evaluations of genomes: what is known is not trained again."""

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
