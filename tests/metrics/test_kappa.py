import numpy as np
import pytest

from fernas.metrics.kappa import PLUGIN as KAPPA


def test_worked_by_hand():
    matrix = np.array([[20.0, 5.0], [10.0, 15.0]])  # observed agreement 0.7, expected 0.5 * 0.6 + 0.5 * 0.4
    assert KAPPA.of_confusion(matrix) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_a_constant_prediction_has_zero_and_one_class_alone_is_undefined():
    assert KAPPA([0, 0, 1, 2], [1, 1, 1, 1], 3) == 0
    assert np.isnan(KAPPA([1, 1], [1, 1], 3))
