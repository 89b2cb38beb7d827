"""Evolution on a problem whose solution is known."""

import pytest

from fernas.search._evolution import search
from fernas.search.evolution import EvolutionConfig
from studies.planted import COVERED, OPTIONS, make_problem, planted_context


@pytest.mark.slow
def test_evolution_finds_the_planted_regions(tmp_path):
    problem = make_problem(2)
    assert problem.share <= 0.02
    found = search(planted_context(problem, tmp_path, EvolutionConfig(**OPTIONS), seed=5))
    covered = problem.covered(tuple((p.dx, p.dy, p.w, p.h) for p in found.patches))
    assert min(covered) >= COVERED
