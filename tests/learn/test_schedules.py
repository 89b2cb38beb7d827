import math

import pytest

from fernas.learn.schedules import cosine, ramp


def test_cosine_and_ramp_known_answers():
    assert cosine(0, 50, 0.025, 0.001) == pytest.approx(0.025)
    assert cosine(25, 50, 0.025, 0.001) == pytest.approx(0.013)
    assert cosine(117, 600, 0.025, 0.0) == pytest.approx(0.02272721, abs=5e-7)  # the value in Auto-FERNet's script
    assert cosine(214, 600, 0.025, 0.0) == pytest.approx(0.01794073, abs=5e-7)
    assert ramp(0, 10, 0.0, 0.2) == 0 and ramp(5, 10, 0.0, 0.2) == pytest.approx(0.1)


def test_the_schedule_of_the_authors_is_one_epoch_ahead():
    """Their code steps before the epoch: epoch e runs at cos((e + 1) / E), the last one at the end value."""
    rates = [cosine(epoch, 50, 0.025, 0.001, "authors") for epoch in range(50)]
    assert rates == pytest.approx([0.001 + 0.012 * (1 + math.cos(math.pi * e / 50)) for e in range(1, 51)])
    assert rates[-1] == pytest.approx(0.001) and cosine(49, 50, 0.025, 0.001) > 0.00102
    ours = [cosine(epoch, 50, 0.025, 0.001) for epoch in range(50)]
    assert max(abs(a - b) for a, b in zip(ours, rates, strict=True)) == pytest.approx(7.5e-4, abs=1e-5)
