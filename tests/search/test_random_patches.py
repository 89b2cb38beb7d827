"""The random baseline of evolution."""

from dataclasses import replace

import pytest

from fernas.core.errors import ConfigError
from fernas.search import random_patches
from fernas.search.evolution import EvolutionConfig
from tests.fixtures.toy_searches import history_rows, search_context


def test_random_search_takes_over_what_evolution_was_asked(tmp_path):
    run = search_context("random_patches", "patches", tmp_path, options=random_patches.PLUGIN.Config())
    with pytest.raises(ConfigError, match="budget_from"):
        random_patches.run(run)
    reference = EvolutionConfig(population=3, generations=2, max_share=0.3, train={"epochs": 1})
    random_patches.run(replace(run, reference=reference))
    assert len(history_rows(tmp_path)) == 6
