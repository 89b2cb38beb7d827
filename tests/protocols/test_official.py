"""A dataset's own split."""

from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    anonymous,
)


def test_official_follows_the_split_and_public_test_is_inner_validation():
    table = anonymous(20, {"Training": 12, "PublicTest": 4, "PrivateTest": 4})
    protocol = load("protocols", "official")
    (fold,) = protocol.split(table, {}, 0)
    assert len(fold.train) == 16 and len(fold.test) == 4 and len(fold.inner_validation) == 4
    assert set(fold.inner_validation) == set(table.loc[table["split"] == "PublicTest", "sample_id"])
    (fold,) = protocol.split(table, {"inner_validation": [], "train": ["Training", "PublicTest"]}, 0)
    assert len(fold.train) == 16 and fold.inner_validation is None
    (fold,) = protocol.split(table, {"inner_validation": [], "unused": ["PublicTest"]}, 0)
    assert len(fold.train) == 12
