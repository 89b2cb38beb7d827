"""What `compare` draws."""

import pytest

from fernas.reporting.drawings import kind_of


@pytest.mark.parametrize(
    ("search", "scope", "search_macs", "kind"),
    [
        ("darts_first", "per_group", 1e9, "searched"),
        ("random_mean", "no_data", 0, "random baseline"),
        ("fixed", "no_data", 0, "not searched"),
        ("eyes_mouth", "per_group", 0, "not searched"),
        ("taken", "per_group", 0, "searched"),
    ],
)
def test_a_method_is_searched_random_or_neither(search: str, scope: str, search_macs: float, kind: str) -> None:
    row = {"method": "m", "search": search, "search_scope": scope, "search_macs": search_macs}
    assert kind_of(row) == kind
