"""Which labels are replaced, and the account of it."""

import numpy as np
import torch

from fernas.learn.fes import CLASSES
from fernas.training.relabel import RelabelConfig
from fernas.training.swaps import Rule, Swaps, make_rule
from tests.fixtures.toy_task import CLASSES as TOY
from tests.fixtures.toy_task import part

ALL = torch.ones(3, 3, dtype=torch.bool)
ROWS = [[0.45, 0.35, 0.20], [0.70, 0.20, 0.10], [0.40, 0.40, 0.20], [0.50, 0.31, 0.19]]


def logits_of(rows):
    return torch.log(torch.tensor(rows, dtype=torch.float64))


def test_strategy_one_swaps_near_ties_only():
    """Gaps 0.10, 0.50, 0 (a true tie, predicted as the first), 0.19; labels are 1, so that the prediction 0 differs."""
    q, labels = torch.tensor(ROWS), torch.ones(4, dtype=torch.int64)
    new, predictions, ties = Rule(1, 0.2, ALL)(q, labels)
    assert (
        predictions.tolist() == [0, 0, 0, 0]
        and new.tolist() == [0, 1, 0, 0]
        and ties.tolist() == [True, False, True, True]
    )
    assert Rule(1, 0.2, ALL)(q, torch.zeros(4, dtype=torch.int64))[0].tolist() == [0, 0, 0, 0]
    assert Rule(1, 0.05, ALL)(q, labels)[0].tolist() == [1, 1, 0, 1]


def test_strategy_two_asks_for_similar_expressions_and_a_lead():
    q, labels = torch.tensor(ROWS), torch.ones(4, dtype=torch.int64)
    assert Rule(2, 0.2, ALL)(q, labels)[0].tolist() == [0, 1, 1, 0]
    apart = ALL.clone()
    apart[1, 0] = False
    assert Rule(2, 0.2, apart)(q, labels)[0].tolist() == [1, 1, 1, 1]


def test_strategy_two_admits_what_fes_admits():
    rule = make_rule(RelabelConfig(), list(CLASSES))
    index = {name: k for k, name in enumerate(CLASSES)}
    assert rule.admitted[index["sadness"], index["neutral"]] and rule.admitted[index["neutral"], index["sadness"]]
    assert not rule.admitted[index["disgust"], index["fear"]] and int(rule.admitted.sum()) == 2 * 11 + 7
    assert make_rule(RelabelConfig(strategy=1), ["a", "b"]).admitted.all()
    assert not make_rule(RelabelConfig(strategy=0), ["a", "b"]).admitted.any()
    wider = make_rule(RelabelConfig(fes_threshold=0.02), list(CLASSES))
    assert int(wider.admitted.sum()) == 2 * 17 + 7


def test_the_account_of_swaps_and_what_became_of_them():
    samples = part(4)  # labels 0, 1, 2, 0
    swaps = Swaps(samples, TOY, Rule(1, 0.2, ALL))
    at = np.arange(4)
    labels = torch.from_numpy(samples.labels)
    near = [[0.4, 0.35, 0.25]] * 4
    assert swaps.relabel(logits_of(near), labels, 0, at).tolist() == [0, 1, 2, 0]
    assert swaps.close(0)["swaps"] == 0
    assert swaps.relabel(logits_of(near), labels, 1, at).tolist() == [0, 0, 0, 0]
    first = swaps.close(1)
    assert first["pairs"] == {"high>low": 1, "middle>low": 1} and first["near_ties"] == 2
    sure = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.4, 0.35, 0.25], [0.9, 0.05, 0.05]]
    for half in (slice(2, 4), slice(0, 2)):
        swaps.relabel(logits_of(sure)[half], labels[half], 2, at[half])
    later = Swaps(samples, TOY, Rule(1, 0.2, ALL))
    later.load(swaps.state())
    row = swaps.close(2)
    assert (row["swapped_before"], row["now_swapped_again"], row["now_answered_as_swapped"]) == (2, 1, 1)
    assert row["now_answered_as_stored"] == 1
    sample = [r for r in swaps.report(3) if r["kind"] == "sample"]
    assert [s["sample_id"] for s in sample] == ["sample/1", "sample/2"]
    assert [s["answered"] for s in sample] == ["as stored", "as swapped"]
    assert (
        sample[0]["swapped_to"] == {"low": 1}
        and sample[1]["swapped_to"] == {"low": 2}
        and (sample[0]["first"], sample[0]["last"]) == (1, 1)
    )
    assert later.rows == swaps.rows[:2]
