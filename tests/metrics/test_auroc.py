import numpy as np
import pytest

from fernas.metrics.auroc import PLUGIN as AUROC


def test_worked_by_hand():
    # class 0: {0.8, 0.4} against {0.4, 0.1}: 3.5 of 4 pairs; class 1 likewise, its probabilities being 1 - p
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]])
    assert AUROC.of_predictions(np.array([0, 0, 1, 1]), probabilities) == pytest.approx(3.5 / 4)


def test_classes_without_samples_or_without_others_are_left_out():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.2, 0.2], [0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.2, 0.1, 0.7]])
    # class 0: 4 of 4 pairs; class 1: 0.9 beats both, 0.1 neither: 2 of 4; class 2 has no samples
    assert AUROC.of_predictions(labels, probabilities) == pytest.approx((1 + 1 / 2) / 2)
    assert np.isnan(AUROC.of_predictions(np.zeros(4, int), probabilities))


def test_constant_probabilities_are_chance():
    assert AUROC.of_predictions(np.array([0, 1, 2, 2]), np.full((4, 3), 1 / 3)) == pytest.approx(0.5)
