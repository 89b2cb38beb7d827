"""Patches that were not evolved."""

import numpy as np
import pytest

from fernas.core.architecture import Network, write_architecture
from fernas.core.errors import ScienceError
from fernas.core.io import write_text
from fernas.search import eyes_mouth, random_boxes
from fernas.search._patch_controls import eyes_and_mouth
from fernas.spaces.patches import area, patch_params, to_architecture
from tests.fixtures.toy_searches import patch_limits, search_context


def test_hand_made_patches_have_the_parameters_of_the_found_ones(tmp_path):
    legal = patch_limits()
    for seed in range(5):
        genome = legal.random_genome(np.random.default_rng(seed))
        source = tmp_path / f"{seed}.json"
        write_architecture(source, to_architecture(genome, 48, Network(classes=3, input=(3, 48, 48))))
        for plugin, slack in ((random_boxes.PLUGIN, 0), (eyes_mouth.PLUGIN, 48)):
            place = tmp_path / f"{plugin.name}{seed}"
            run = search_context(plugin.name, "patches", place, input_shape=(3, 48, 48), source=source)
            boxes = tuple((p.dx, p.dy, p.w, p.h) for p in plugin.run(run).patches)
            assert abs(patch_params(boxes, 3, 3) - patch_params(genome, 3, 3)) <= 256 * slack
    write_text(source, "")
    with pytest.raises(ScienceError, match="failed"):
        random_boxes.run(run)


def test_eyes_and_mouth_lie_on_eyes_and_mouth():
    boxes = eyes_and_mouth(48, 144)
    assert len(boxes) == 3 and area(boxes) == 144
    (left, right), mouth = boxes[:2], boxes[2]
    assert left[0] == -right[0] and left[1] == right[1] < 0 < mouth[1] and mouth[0] == 0
