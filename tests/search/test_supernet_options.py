"""What a search will spend, against what the iterators give."""

import pytest

from fernas.learn.batches import CyclingBatches
from fernas.learn.config import effective_batch
from fernas.search._supernet_options import selection_images
from fernas.search.context import PartSizes
from fernas.search.darts_first import DartsConfig


@pytest.mark.parametrize(("weights", "selection"), [(12, 9), (50, 7), (7, 50), (33, 20)])
def test_selection_images_counts_what_the_iterators_give(weights, selection):
    options = DartsConfig(epochs=5, batch=8, warmup_epochs=1)
    one = CyclingBatches(weights, effective_batch(options, weights), 0)
    other = CyclingBatches(selection, effective_batch(options, selection), 0)
    counted = sum(len(other.next()) for _ in range(4 * len(one)))
    assert selection_images(options, PartSizes(weights, selection, 0)) == counted
