"""Evolution of face patches: operators, elitism, the knee, the cache, resuming after kill -9, processes, the answer."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.architecture import Network, architecture_json, write_architecture
from fernas.core.errors import ConfigError, ScienceError
from fernas.core.io import read_jsonl, write_text
from fernas.learn.arrays import ArrayPart
from fernas.learn.augment import evaluation_view
from fernas.learn.config import AugmentConfig
from fernas.search import eyes_mouth, random_boxes, random_patches
from fernas.search._evolution import cross, decode, encode, knee, mutate, search
from fernas.search._patch_controls import eyes_and_mouth
from fernas.search._patch_options import PatchSearchConfig
from fernas.search._patch_training import images_of, mean_nose
from fernas.search.evolution import EvolutionConfig
from fernas.spaces.patch_networks import cut
from fernas.spaces.patches import PatchLimits, area, patch_params, to_architecture
from studies.planted import FOUND, OPTIONS, make_problem, planted_context
from tests.contract.test_search import context

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    **OPTIONS,
    "population": 4,
    "generations": 3,
    "elites": 1,
    "train": {"epochs": 1, "flip": False, "nose_jitter": 0.0},
}


def limits(fixed: bool = False) -> PatchLimits:
    return PatchLimits.of(48, 4, fixed, 1 / 12, 1 / 3, 0.06)


@pytest.mark.parametrize("fixed", [False, True])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_operators_make_legal_genomes_of_whole_patches(fixed, seed):
    rng, legal = np.random.default_rng(seed), limits(fixed)
    one, two = legal.random_genome(rng), legal.random_genome(rng)
    children = cross(one, two, legal, rng)
    options = EvolutionConfig(mutation=1.0, replace=0.3, resample=1.0)
    for child in (*children, mutate(one, legal, options, rng)):
        assert legal.is_legal(child)
        assert decode(encode(child, 4)) == child
    if area((*one, *two)) <= legal.max_area:  # nothing has to shrink: each patch is a parent's, none is lost
        assert set(children[0]) | set(children[1]) == set(one) | set(two)
    assert mutate(one, legal, EvolutionConfig(mutation=0, replace=0, resample=0), rng) == one


def test_what_both_parents_have_both_children_have():
    rng, legal = np.random.default_rng(0), limits()
    one = legal.repair([(0, 10, 4, 4), (8, 8, 4, 4)], rng)
    two = legal.repair([(0, 10, 4, 4), (-8, -8, 4, 4)], rng)
    for child in cross(one, two, legal, rng):
        assert (0, 10, 4, 4) in child and len(child) == 2


def test_the_knee_is_the_point_farthest_above_the_chord():
    assert knee(np.array([[10, 0.2], [12, 0.7], [20, 0.8]])) == 1
    assert knee(np.array([[10, 0.2], [18, 0.3], [20, 0.8]])) == 0
    assert knee(np.array([[10, 0.2]])) == 0


def test_cutting_bytes_is_cutting_mirrored_and_scaled_images():
    """The fast way (one uint8 tensor) against the network's own on the augmented floats."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (5, 20, 20, 3)).astype(np.uint8)
    noses = rng.uniform(2, 17, (5, 2)).astype(np.float32)
    noses[4] = np.nan
    part = replace(ArrayPart.of(images, np.zeros(5)), noses=noses)
    mean = mean_nose(part)
    assert np.allclose(mean, noses[:4].mean(0))
    cuts = images_of(part, mean, "standard")
    floats = evaluation_view(torch.from_numpy(images), AugmentConfig(scale="standard"))
    known = torch.from_numpy(np.where(np.isfinite(noses), noses, mean))
    flip = torch.tensor([False, True, True, False, True])
    mirrored = torch.where(flip[:, None, None, None], floats.flip(3), floats)
    moved = torch.stack([torch.where(flip, 19 - known[:, 0], known[:, 0]), known[:, 1]], 1)
    for box in ((3, -2, 8, 4), (-9, 9, 4, 12)):
        assert torch.allclose(cuts.cut(box, flip), cut(mirrored, moved, box), atol=1e-5)
    assert torch.allclose(cuts.whole(flip), mirrored, atol=1e-5)


def planted(folder: Path, seed: int = 1, **options):
    return planted_context(make_problem(seed), folder, EvolutionConfig(**{**TINY, **options}), seed=5, samples=32)


def rows_of(folder: Path) -> list[dict]:
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read_jsonl(folder / "search.jsonl")]


def test_history_counts_and_the_best_of_all_is_kept(tmp_path):
    found = search(planted(tmp_path))
    rows = rows_of(tmp_path)
    assert [row.get("generation") for row in rows] == [0, 1, 2, None]
    best = [row["best_fitness"] for row in rows[:3]]
    assert best == sorted(best)
    every = {json.dumps(b["patches"]): b["fitness"] for row in rows[:3] for b in row["born"]}
    final = rows[-1]
    assert final["fitness"] == max(every.values())
    assert final["patches"] == [[p.dx, p.dy, p.w, p.h] for p in found.patches]
    assert final["asked"] == 12 == final["trained"] + final["cache_hits"]
    assert final["reduction"] > 0.9


def test_known_genomes_are_not_trained_again(tmp_path):
    run = planted(tmp_path, eliminate_duplicates=False, mutation=0.0, replace=0.0, resample=0.0, crossover=0.0)
    search(run)
    final = rows_of(tmp_path)[-1]
    assert final["cache_hits"] == 12 - final["trained"] > 0
    trained = {json.dumps(b["patches"]) for row in rows_of(tmp_path)[:3] for b in row["born"]}
    assert final["trained"] == len(trained)


def test_two_objectives_give_a_front_without_dominated_genomes(tmp_path):
    found = search(planted(tmp_path, objective="nsga2"))
    final = rows_of(tmp_path)[-1]
    points = [(p["params"], p["uar"]) for p in final["front"]]
    assert points == sorted(points) and len({u for _, u in points}) == len(points)
    assert [[p.dx, p.dy, p.w, p.h] for p in found.patches] in [p["patches"] for p in final["front"]]


def test_the_ablation_searches_too(tmp_path):
    found = search(planted(tmp_path, form="stacked", count="fixed", occlusions=1))
    assert found.form == "stacked" and len(found.patches) == 3
    assert len({b["params"] for row in rows_of(tmp_path)[:3] for b in row["born"]}) == 1


def test_processes_give_the_same_bits(tmp_path):
    one = search(planted(tmp_path / "one", generations=2))
    several = replace(planted(tmp_path / "two", generations=2), threads=2)
    assert architecture_json(search(several)) == architecture_json(one)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


KILLED = """
import os, signal, sys
from pathlib import Path
from fernas.core.checkpoint import CheckpointStore
from fernas.search._evolution import search
from tests.search.test_evolution import planted
save, left = CheckpointStore.save, int(sys.argv[2])
def dying(self, state):
    global left
    save(self, state)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
CheckpointStore.save = dying
search(planted(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("saves", [2, 6])
def test_after_kill_9_the_search_goes_on_to_the_same_bits(saves, tmp_path):
    expected = search(planted(tmp_path / "whole"))
    write_text(tmp_path / "kill.py", KILLED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path / "killed"), str(saves)]
    assert subprocess.run(command, env=environment, cwd=ROOT).returncode == -signal.SIGKILL
    again = planted(tmp_path / "killed")
    assert architecture_json(search(again)) == architecture_json(expected)
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")


def test_random_search_takes_over_what_evolution_was_asked(tmp_path):
    run = context("random_patches", "patches", tmp_path, options=random_patches.PLUGIN.Config())
    with pytest.raises(ConfigError, match="budget_from"):
        random_patches.run(run)
    reference = EvolutionConfig(population=3, generations=2, max_share=0.3, train={"epochs": 1})
    random_patches.run(replace(run, reference=reference))
    assert len(rows_of(tmp_path)) == 6


def test_hand_made_patches_have_the_parameters_of_the_found_ones(tmp_path):
    legal = limits()
    for seed in range(5):
        genome = legal.random_genome(np.random.default_rng(seed))
        source = tmp_path / f"{seed}.json"
        write_architecture(source, to_architecture(genome, 48, Network(classes=3, input=(3, 48, 48))))
        for plugin, slack in ((random_boxes.PLUGIN, 0), (eyes_mouth.PLUGIN, 48)):
            place = tmp_path / f"{plugin.name}{seed}"
            run = context(plugin.name, "patches", place, input_shape=(3, 48, 48), source=source)
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


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="elites"):
        EvolutionConfig(population=2, elites=2)
    with pytest.raises(ValueError, match="min_side"):
        PatchSearchConfig(min_side=0.5, max_side=0.2)


@pytest.mark.slow
def test_evolution_finds_the_planted_regions(tmp_path):
    problem = make_problem(2)
    assert problem.share <= 0.02
    found = search(planted_context(problem, tmp_path, EvolutionConfig(**OPTIONS), seed=5))
    covered = problem.covered(tuple((p.dx, p.dy, p.w, p.h) for p in found.patches))
    assert min(covered) >= FOUND
