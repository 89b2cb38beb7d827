"""Coverage maps and overlaps with regions, by hand."""

import numpy as np
import pytest

from fernas.reporting.coverage import coverage_map, mask, region_mask, region_overlaps
from fernas.spaces.patches import corners

FACE = 48


def at(x0, y0, w, h):
    """The box whose corner lies at (x0, y0) of the standard face."""
    cx, cy = corners((0, 0, w, h), FACE)[:2]
    return (x0 - cx, y0 - cy, w, h)


def test_a_map_is_the_weighted_share_of_runs():
    one, two = (at(0, 0, 4, 4),), (at(2, 0, 4, 4), at(40, 40, 8, 8))
    found = coverage_map([one, two], FACE, [1.0, 3.0])
    assert found[0, :7].tolist() == pytest.approx([0.25, 0.25, 1.0, 1.0, 0.75, 0.75, 0.0])
    assert found[47, 47] == 0.75 and found.max() <= 1
    assert coverage_map([one, two], FACE)[0, 0] == 0.5
    assert mask(two, FACE).sum() == 16 + 64


def test_patches_on_the_mouth_lie_in_the_mouth_beyond_chance():
    rows, columns = np.nonzero(region_mask("mouth", FACE))
    box = at(int(columns.min()), int(rows.min()), 8, 8)
    overlaps = {o.region: o for o in region_overlaps([(box,)] * 3, FACE, draws=200)}
    assert overlaps["mouth"].share == 1.0 and overlaps["mouth"].beyond_chance
    assert overlaps["eyes"].share == 0.0 and not overlaps["eyes"].beyond_chance


def test_random_patches_are_not_beyond_chance():
    rng = np.random.default_rng(5)
    genomes = [(at(int(rng.integers(0, 40)), int(rng.integers(0, 40)), 8, 8),) for _ in range(300)]
    for overlap in region_overlaps(genomes, FACE, draws=200):
        assert overlap.share == pytest.approx(overlap.chance, abs=0.05)
        area = region_mask(overlap.region, FACE).mean()
        assert overlap.chance == pytest.approx(area, rel=0.6)
