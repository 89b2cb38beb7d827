import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from fernas.core.errors import DataError
from fernas.metrics import accuracy, confusion, confusion_scores, per_class_recall, uar, uf1

pairs_of_indices = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
    )
)


def test_worked_by_hand():
    true, predicted = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]
    assert confusion(true, predicted, 3).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert accuracy(true, predicted, 3) == pytest.approx(4 / 6)
    assert per_class_recall(true, predicted, 3).tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert uar(true, predicted, 3) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert uf1(true, predicted, 3) == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)


@given(pairs_of_indices)
def test_equal_to_scikit_learn_over_the_classes_present(case):
    k, pairs = case
    true, predicted = (np.array(indices) for indices in zip(*pairs, strict=True))
    present = sorted(set(true.tolist()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert uf1(true, predicted, k) == pytest.approx(
            f1_score(true, predicted, labels=present, average="macro"), abs=1e-12
        )
        assert uar(true, predicted, k) == pytest.approx(
            recall_score(true, predicted, labels=present, average="macro"), abs=1e-12
        )
    assert np.array_equal(confusion(true, predicted, k), confusion_matrix(true, predicted, labels=range(k)))


def test_a_class_without_samples_is_left_out_of_the_means_but_its_predictions_are_misses():
    true, predicted = [0, 0, 1, 1], [0, 2, 1, 1]
    assert uar(true, predicted, 3) == pytest.approx((1 / 2 + 1) / 2)
    assert uf1(true, predicted, 3) == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(per_class_recall(true, predicted, 3)[2])
    assert uar(true, predicted, 9) == uar(true, predicted, 3) == uar(true, predicted)


def test_constant_and_perfect_predictions():
    true = np.repeat([0, 1, 2], [50, 30, 20])
    assert uar(true, np.zeros(100, int), 3) == pytest.approx(1 / 3)
    assert uf1(true, np.zeros(100, int), 3) == pytest.approx(2 * 50 / 150 / 3)
    assert uar(true, true, 3) == uf1(true, true, 3) == accuracy(true, true, 3) == 1


def test_scores_of_one_confusion_leave_out_what_is_undefined():
    scores = confusion_scores([0, 0, 1], [0, 1, 1], 3)
    assert scores["accuracy"] == pytest.approx(2 / 3) and scores["uar"] == pytest.approx(0.75)
    assert scores["kappa"] == pytest.approx((3 * 2 - 4) / (9 - 4)) and "auroc" not in scores
    assert "kappa" not in confusion_scores([0, 0], [0, 0], 2) and "mcc" not in confusion_scores([0, 0], [0, 1], 2)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "at least one sample"),
        ([0, 1], [0], "2 labels and 1 predictions"),
        ([0, 3], [0, 1], "y_true holds 0 .. 3, expected 0 .. 2"),
        ([0, 1], [-1, 1], "y_pred holds -1 .. 1"),
        ([0.0, 1.0], [0, 1], "class indices"),
    ],
)
def test_bad_input_is_named(true, predicted, message):
    with pytest.raises(DataError, match=message):
        uar(true, predicted, 3)
