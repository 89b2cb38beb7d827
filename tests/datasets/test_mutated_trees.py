"""Mutated trees: only clear errors, and never another number of samples without a report."""

import random
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.core.io import to_json
from fernas.datasets.check import check_data
from tests.fixtures.dataset_mutations import (
    HARMFUL,
    HARMLESS,
    cut_file,
    flip_bytes,
    lose_folder,
    lose_image,
    lose_line,
    text_cell,
)
from tests.fixtures.dataset_trees import trees, variants

CASES = trees()
WRITERS = {name: (name, tree.write) for name, tree in CASES.items()} | variants()
TREES = sorted(WRITERS)


class Originals:
    """Each tree once, with what check_data finds in it."""

    def __init__(self, root):
        self.root, self.found = root, {}
        for title, (name, write) in WRITERS.items():
            write(root / title)
            self.found[title] = check_data(name, root / title, options_of(title))

    def __repr__(self):
        return "originals"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return Originals(tmp_path_factory.mktemp("originals"))


def options_of(title):
    return CASES[title].options if title in CASES else {}


def mutate_and_check(originals, folder, title, steps, seed):
    copy = folder / f"{title} Ü {seed}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(originals.root / title, copy)
    rng = random.Random(seed)
    done = [step(copy, rng) for step in steps]
    try:
        result = check_data(WRITERS[title][0], copy, options_of(title))
    except (ConfigError, DataError) as error:
        pytest.fail(f"{title}: {done}: check_data is to report, not to raise: {error}")
    finally:
        shutil.rmtree(copy)
    to_json(result)
    return done, originals.found[title], result


@pytest.mark.parametrize("title", TREES)
@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda m: m.__name__)
def test_harmless_changes_change_no_sample(originals, tmp_path, title, mutation):
    done, before, after = mutate_and_check(originals, tmp_path, title, [mutation], 7)
    for key in ("samples", "subjects", "classes", "splits"):
        assert after[key] == before[key], (done, after["problems"])
    assert set(after["excluded"]) == set(before["excluded"])


# where nobody published counts, a whole folder or line that is gone leaves no trace
UNCOUNTED = {"mug", "custom", "disfa", "disfa video"}
TRACELESS = {lose_folder, lose_line, text_cell, cut_file, flip_bytes, lose_image}


def check_harm(originals, folder, title, steps, seed):
    done, before, after = mutate_and_check(originals, folder, title, steps, seed)
    if title in UNCOUNTED and TRACELESS & set(steps):
        return
    if after["samples"] != before["samples"] or after["subjects"] != before["subjects"]:
        news = [p for p in after["problems"] if p not in before["problems"]]
        assert news, f"{title}: {done}: {before['samples']} -> {after['samples']} samples without a word"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.sampled_from(TREES),
    steps=st.lists(st.sampled_from(HARMFUL + HARMLESS), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
)
def test_mutated_trees_are_reported(originals, tmp_path_factory, title, steps, seed):
    check_harm(originals, tmp_path_factory.getbasetemp(), title, steps, seed)


@pytest.mark.slow
@pytest.mark.parametrize("title", TREES)
@pytest.mark.parametrize("mutation", HARMFUL, ids=lambda m: m.__name__)
def test_each_harm_of_each_tree_is_reported(originals, tmp_path, title, mutation):
    for seed in range(8):
        check_harm(originals, tmp_path, title, [mutation], seed)
