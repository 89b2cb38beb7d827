"""Evolution of face patches: operators, elitism, the knee, the cache, resuming after kill -9, processes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import architecture_json
from fernas.core.io import write_text
from fernas.search._evolution import cross, decode, encode, knee, mutate, search
from fernas.search.evolution import EvolutionConfig
from fernas.spaces.patches import area
from tests.fixtures.genomes import is_legal
from tests.fixtures.toy_searches import history_rows, patch_limits, planted_search

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fixed", [False, True])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_operators_make_legal_genomes_of_whole_patches(fixed, seed):
    rng, legal = np.random.default_rng(seed), patch_limits(fixed)
    one, two = legal.random_genome(rng), legal.random_genome(rng)
    children = cross(one, two, legal, rng)
    options = EvolutionConfig(mutation=1.0, replace=0.3, resample=1.0)
    for child in (*children, mutate(one, legal, options, rng)):
        assert is_legal(legal, child)
        assert decode(encode(child, 4)) == child
    if area((*one, *two)) <= legal.max_area:  # nothing has to shrink: each patch is a parent's, none is lost
        assert set(children[0]) | set(children[1]) == set(one) | set(two)
    assert mutate(one, legal, EvolutionConfig(mutation=0, replace=0, resample=0), rng) == one


def test_what_both_parents_have_both_children_have():
    rng, legal = np.random.default_rng(0), patch_limits()
    one = legal.repair([(0, 10, 4, 4), (8, 8, 4, 4)], rng)
    two = legal.repair([(0, 10, 4, 4), (-8, -8, 4, 4)], rng)
    for child in cross(one, two, legal, rng):
        assert (0, 10, 4, 4) in child and len(child) == 2


def test_the_knee_is_the_point_farthest_above_the_chord():
    assert knee(np.array([[10, 0.2], [12, 0.7], [20, 0.8]])) == 1
    assert knee(np.array([[10, 0.2], [18, 0.3], [20, 0.8]])) == 0
    assert knee(np.array([[10, 0.2]])) == 0


def test_history_counts_and_the_best_of_all_is_kept(tmp_path):
    found = search(planted_search(tmp_path))
    rows = history_rows(tmp_path)
    assert [row.get("generation") for row in rows] == [0, 1, 2, None]
    best = [row["best_fitness"] for row in rows[:3]]
    assert best == sorted(best)
    every = {json.dumps(b["patches"]): b["fitness"] for row in rows[:3] for b in row["born"]}
    final = rows[-1]
    assert final["fitness"] == max(every.values())
    assert final["patches"] == [[p.dx, p.dy, p.w, p.h] for p in found.patches]
    assert final["asked"] == 12 == final["trained"] + final["cache_hits"]
    assert final["reduction"] > 0.9


def test_two_objectives_give_a_front_without_dominated_genomes(tmp_path):
    found = search(planted_search(tmp_path, objective="nsga2"))
    final = history_rows(tmp_path)[-1]
    points = [(p["params"], p["uar"]) for p in final["front"]]
    assert points == sorted(points) and len({u for _, u in points}) == len(points)
    assert [[p.dx, p.dy, p.w, p.h] for p in found.patches] in [p["patches"] for p in final["front"]]


def test_the_ablation_searches_too(tmp_path):
    found = search(planted_search(tmp_path, form="stacked", count="fixed", occlusions=1))
    assert found.form == "stacked" and len(found.patches) == 3
    assert len({b["params"] for row in history_rows(tmp_path)[:3] for b in row["born"]}) == 1


def test_processes_give_the_same_bits(tmp_path):
    one = search(planted_search(tmp_path / "one", generations=2))
    several = replace(planted_search(tmp_path / "two", generations=2), threads=2)
    assert architecture_json(search(several)) == architecture_json(one)
    assert history_rows(tmp_path / "one") == history_rows(tmp_path / "two")


KILLED = """
import os, signal, sys
from pathlib import Path
from fernas.core.checkpoint import CheckpointStore
from fernas.search._evolution import search
from tests.fixtures.toy_searches import planted_search
save, left = CheckpointStore.save, int(sys.argv[2])
def dying(self, state):
    global left
    save(self, state)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
CheckpointStore.save = dying
search(planted_search(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("saves", [2, 6])
def test_after_kill_9_the_search_goes_on_to_the_same_bits(saves, tmp_path):
    expected = search(planted_search(tmp_path / "whole"))
    write_text(tmp_path / "kill.py", KILLED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path / "killed"), str(saves)]
    assert subprocess.run(command, env=environment, cwd=ROOT).returncode == -signal.SIGKILL
    again = planted_search(tmp_path / "killed")
    assert architecture_json(search(again)) == architecture_json(expected)
    assert history_rows(tmp_path / "killed") == history_rows(tmp_path / "whole")
