"""Options of the searches among patches."""

import pytest

from fernas.search._patch_options import PatchSearchConfig
from fernas.search.evolution import EvolutionConfig


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="elites"):
        EvolutionConfig(population=2, elites=2)
    with pytest.raises(ValueError, match="min_side"):
        PatchSearchConfig(min_side=0.5, max_side=0.2)
