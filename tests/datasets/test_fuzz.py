"""Mutated copies: never another error than a clear one, never silently another number of samples."""

import random
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError, DataError
from fernas.core.io import to_json
from fernas.datasets._containers import pixel_table
from fernas.datasets._labels import canonical
from fernas.datasets._sheets import integer, read_table
from fernas.datasets._tree import Tree, frame_number, order_frames
from fernas.datasets.check import check_data
from tests.datasets.all_trees import CASES, MORE
from tests.datasets.mutations import (
    HARMFUL,
    HARMLESS,
    cut_file,
    flip_bytes,
    lose_folder,
    lose_image,
    lose_line,
    text_cell,
)

WRITERS = {name: (name, case.write) for name, case in CASES.items()} | MORE
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
def test_mutated_copies_are_reported(originals, tmp_path_factory, title, steps, seed):
    check_harm(originals, tmp_path_factory.getbasetemp(), title, steps, seed)


@pytest.mark.slow
@pytest.mark.parametrize("title", TREES)
@pytest.mark.parametrize("mutation", HARMFUL, ids=lambda m: m.__name__)
def test_each_harm_of_each_copy_is_reported(originals, tmp_path, title, mutation):
    for seed in range(8):
        check_harm(originals, tmp_path, title, [mutation], seed)


# ------------------------------------------------------------------------------------------------ parts


def strictly(function, *arguments):
    try:
        return function(*arguments)
    except (DataError, ConfigError) as error:
        assert str(error)
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))))
def test_any_bytes_as_tables(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    for suffix in (".csv", ".xlsx", ".txt"):
        path = folder / f"any{suffix}"
        path.write_bytes(data)
        strictly(read_table, path, {"a": ("a",), "b": ("b",)}, ("a", "b"))
    path.write_bytes(b"emotion,pixels,Usage\n" + data)
    strictly(pixel_table, path)


@given(st.text(max_size=30))
def test_any_text_as_number_or_label(text):
    value = strictly(integer, text, "file: row 1")
    assert value is None or isinstance(value, int)
    label = strictly(canonical, text, ("anger", "others"), "file: row 1")
    assert label in (None, "anger", "others")


@given(st.lists(st.from_regex(r"[a-zA-Z_ ]{0,4}[0-9]{1,4}[a-z]?\.(jpg|PNG)(\.jpg)?", fullmatch=True), max_size=12))
def test_frames_are_ordered_by_their_last_number(names):
    numbers, refs, problems = order_frames(list(dict.fromkeys(names)))
    assert numbers == sorted(set(numbers)) and len(numbers) == len(refs)
    assert [frame_number(ref) for ref in refs] == numbers
    assert len(refs) + len(problems) == len(set(names))


def test_links_in_circles_end(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "a/b/file.txt").write_text("x")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/across").symlink_to(tmp_path / "c")
    (tmp_path / "c/back").symlink_to(tmp_path / "a")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    tree = Tree.walk(tmp_path)
    assert "a/b/file.txt" in tree.files and "c/back/b/file.txt" in tree.files and len(tree.files) == 2
    assert any("circle" in p for p in tree.problems) and any("dangling.txt" in p for p in tree.problems)
