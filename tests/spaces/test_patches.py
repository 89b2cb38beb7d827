"""Face patches: where they lie, what they cost, that every genome is legal, drawings."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import architecture_json, parse_architecture
from fernas.core.errors import ConfigError
from fernas.spaces.draw import draw_svg
from fernas.spaces.patches import (
    PatchLimits,
    area,
    boxes_on,
    corners,
    patch_params,
    to_architecture,
    whole_face,
)
from tests.fixtures.genomes import is_legal

DOCUMENT = {
    "kind": "patches",
    "face_px": 96,
    "patches": [{"dx": -20, "dy": -12, "w": 24, "h": 16}, {"dx": 18, "dy": -12, "w": 24, "h": 16}],
}
LIMITS = PatchLimits.of(48, 4, False, 1 / 12, 1 / 3, 0.06)


def test_the_form_from_outside_is_kept_byte_for_byte():
    assert architecture_json(parse_architecture(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize("fixed", [False, True])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_genome_is_legal(fixed, seed):
    limits = PatchLimits.of(48, 4, fixed, 1 / 12, 1 / 3, 0.06)
    rng = np.random.default_rng(seed)
    genome = limits.random_genome(rng)
    wild = [tuple(int(v) for v in rng.integers(-60, 60, 4)) for _ in range(rng.integers(0, 9))]
    for found in (genome, limits.repair(wild, rng), limits.repair([*genome, *genome], rng)):
        assert is_legal(limits, found)
        assert limits.repair(found, rng) == found
        for box in found:
            x0, y0, x1, y1 = corners(box, 48)
            assert 0 <= x0 < x1 <= 48 and 0 <= y0 < y1 <= 48
    assert 1 - patch_params(genome, 1, 7) / patch_params(whole_face(48), 1, 7) > 0.9


def test_the_order_of_boxes_makes_no_other_genome():
    rng = np.random.default_rng(1)
    genome = next(g for g in iter(lambda: LIMITS.random_genome(rng), None) if len(g) > 2)
    assert LIMITS.repair(genome[::-1], rng) == genome


def test_limits_that_leave_nothing_are_refused():
    with pytest.raises(ConfigError, match="no legal genome"):
        PatchLimits.of(48, 4, True, 1 / 4, 1 / 3, 0.06)


def test_boxes_scale_with_the_images():
    arch = parse_architecture(DOCUMENT)
    assert boxes_on(arch, 96, 96) == ((-20, -12, 24, 16), (18, -12, 24, 16))
    assert boxes_on(arch, 48, 48) == ((-10, -6, 12, 8), (9, -6, 12, 8))


def test_the_drawing_shows_every_patch_on_the_mean_face():
    svg = draw_svg(parse_architecture(DOCUMENT))
    root = ET.fromstring(svg)
    space = {"s": "http://www.w3.org/2000/svg"}
    assert len(root.findall("s:rect", space)) == 2
    assert root.find("s:image", space).attrib["href"].startswith("data:image/png;base64,")
    assert "24 x 16 px at (-20, -12)" in svg


def test_a_genome_is_an_architecture_and_back():
    genome = LIMITS.random_genome(np.random.default_rng(3))
    arch = to_architecture(genome, 48)
    assert boxes_on(arch, 48, 48) == genome and area(genome) <= 0.06 * 48**2
