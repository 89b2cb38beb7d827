import numpy as np
import pytest

from fernas.metrics.mcc import PLUGIN as MCC


def test_two_classes_are_the_correlation_of_the_indicators():
    true, predicted = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([0, 1, 0, 1, 1, 0, 1])
    assert MCC(true, predicted, 2) == pytest.approx(np.corrcoef(true, predicted)[0, 1])


def test_a_constant_prediction_has_zero_and_labels_of_one_class_are_undefined():
    assert MCC([0, 0, 1, 2], [1, 1, 1, 1], 3) == 0
    assert np.isnan(MCC([1, 1, 1], [1, 0, 1], 3))
