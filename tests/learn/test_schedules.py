import pytest

from fernas.learn.schedules import cosine, ramp


def test_cosine_and_ramp_known_answers():
    assert cosine(0, 50, 0.025, 0.001) == pytest.approx(0.025)
    assert cosine(25, 50, 0.025, 0.001) == pytest.approx(0.013)
    assert cosine(117, 600, 0.025, 0.0) == pytest.approx(0.02272721, abs=5e-7)  # the value in Auto-FERNet's script
    assert cosine(214, 600, 0.025, 0.0) == pytest.approx(0.01794073, abs=5e-7)
    assert ramp(0, 10, 0.0, 0.2) == 0 and ramp(5, 10, 0.0, 0.2) == pytest.approx(0.1)
