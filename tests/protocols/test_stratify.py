"""Assignment of whole units to bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.protocols._stratify import assign_units, class_counts


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 30), st.integers(2, 4), st.integers(0, 99))
def test_every_bin_is_filled_and_a_seed_gives_the_same_bins(units, bins, seed):
    counts = np.random.default_rng(seed).integers(1, 5, (units, 3))
    shares = np.full(bins, 1 / bins)
    bin_of = assign_units(counts, shares, np.random.default_rng(seed))
    assert set(bin_of) == set(range(bins))
    np.testing.assert_array_equal(bin_of, assign_units(counts, shares, np.random.default_rng(seed)))


def test_classes_are_shared_out_in_the_proportions():
    counts = np.eye(2, dtype=int)[np.arange(40) % 2]
    bin_of = assign_units(counts, np.array([0.5, 0.3, 0.2]), np.random.default_rng(0))
    for column in range(2):
        assert np.bincount(bin_of[counts[:, column] > 0]).tolist() == [10, 6, 4]


def test_quotas_and_forbidden_bins_are_respected():
    counts, shares = np.ones((6, 1)), np.array([0.5, 0.5])
    assert sorted(assign_units(counts, shares, np.random.default_rng(0), quota=np.array([2, 4]))) == [0, 0, 1, 1, 1, 1]
    allowed = np.ones((6, 2), bool)
    allowed[:3, 1] = False
    assert (assign_units(counts, shares, np.random.default_rng(0), allowed)[:3] == 0).all()
    with pytest.raises(ValueError, match="no bin that has room"):
        assign_units(counts, shares, np.random.default_rng(0), quota=np.array([2, 2]))
    with pytest.raises(ValueError, match="1 units for 2 bins"):
        assign_units(counts[:1], shares, np.random.default_rng(0))


def test_counts_by_unit_and_class():
    units, counts = class_counts(np.array(["b", "a", "b"]), np.array(["y", "x", "y"]))
    assert units.tolist() == ["a", "b"] and counts.tolist() == [[1, 0], [0, 2]]
