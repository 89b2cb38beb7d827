"""Short texts of values."""

import pytest

from fernas.reporting import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (541_000, "541k"),
        (3_349_342, "3.35M"),
        (1.2e9, "1.20G"),
        (999_600, "1.00M"),
        (7, "7"),
        (None, "-"),
        (61.5, "61.5"),
    ],
)
def test_short_counts(value: float | None, text: str) -> None:
    assert formats.short_count(value) == text


@pytest.mark.parametrize(("p", "text"), [(0.41, "0.41"), (0.041, "0.041"), (0.003, "0.0030"), (3e-5, "3e-05")])
def test_p_values(p: float | None, text: str) -> None:
    assert formats.p_value(p) == text


def test_differences_have_signs_and_intervals() -> None:
    assert formats.gap(0.032, -0.01, 0.075) == "+3.2 [-1.0, +7.5]" and formats.gap(None) == "-"
    assert formats.score(0.641, 0.55, 0.723) == "64.1 [55.0, 72.3]"


def test_long_lists_are_cut() -> None:
    assert formats.listed(["a"]) == "a" and formats.listed(["a", "b", "c"]) == "a, b and c"
    assert formats.listed(list("abcd")) == "a, b and 2 more"


def test_a_score_without_an_interval_says_so() -> None:
    assert formats.score(1.0, None, None) == "100.0 [not estimable]" and formats.score(None, 1, 1) == "-"
    assert formats.score(0.5, 0.25, 0.75) == "50.0 [25.0, 75.0]"
    assert formats.gap(0.0, None, None) == "+0.0 [not estimable]" and formats.gap(0.1) == "+10.0"
    assert formats.gap(0.1, -0.05, 0.25) == "+10.0 [-5.0, +25.0]" and formats.gap(None, None, None) == "-"
