"""What a search will spend, against what the iterators give."""

import pytest

from fernas.core import plugins
from fernas.core.config import NetworkConfig
from fernas.learn.batches import CyclingBatches
from fernas.learn.config import effective_batch
from fernas.search._supernet_options import selection_images
from fernas.search.context import PartSizes
from fernas.search.darts_first import DartsConfig
from tests.fixtures.toy_searches import SHORT, search_context


@pytest.mark.parametrize(("weights", "selection"), [(12, 9), (50, 7), (7, 50), (33, 20)])
def test_selection_images_counts_what_the_iterators_give(weights, selection):
    options = DartsConfig(epochs=5, batch=8, warmup_epochs=1)
    one = CyclingBatches(weights, effective_batch(options, weights), 0)
    other = CyclingBatches(selection, effective_batch(options, selection), 0)
    counted = sum(len(other.next()) for _ in range(4 * len(one)))
    assert selection_images(options, PartSizes(weights, selection, 0)) == counted


@pytest.mark.parametrize("name", ["darts_first", "darts_second", "sgas", "pdarts", "pcdarts"])
def test_a_supernet_may_be_smaller_than_the_final_network(name, tmp_path):
    plugin = plugins.load("search", name)
    sizes = {"search_channels": 4} | ({} if name == "pdarts" else {"search_cells": 3})
    options = plugin.Config(**SHORT[name], **sizes)
    alone = search_context(name, "emonas", tmp_path / "alone", network=NetworkConfig(cells=3, channels=4))
    apart = search_context(
        name, "emonas", tmp_path / "apart", options=options, network=NetworkConfig(cells=5, channels=8)
    )
    found, same = plugin.run(apart), plugin.run(alone)
    assert (found.normal, found.reduce) == (same.normal, same.reduce)
    assert apart.budget.spent == alone.budget.spent
    assert plugin.budget(options, apart.size) == plugin.budget(alone.options, alone.size)
    assert (found.network.cells, found.network.channels) == (5, 8)
    assert (same.network.cells, same.network.channels) == (3, 4)


def test_agreement_counts_inherited_scores_at_the_size_of_the_supernet(tmp_path):
    options = DartsConfig(**SHORT["darts_first"], search_channels=4, agreement={"cells": 4, "epochs": 1, "batch": 8})
    context = search_context(
        "darts_first", "emonas", tmp_path, options=options, network=NetworkConfig(cells=3, channels=8)
    )
    plugin = plugins.load("search", "darts_first")
    plugin.run(context)
    assert context.budget.spent == plugin.budget(options, context.size)


def test_the_stages_of_pdarts_have_their_own_cells():
    with pytest.raises(ValueError, match="search_cells: the stages have their own"):
        plugins.load("search", "pdarts").Config(search_cells=5)
