"""The views of a study: datasets, tasks and runs by name and by folder."""

from pathlib import Path

import pytest
import yaml

from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.study.study import refuse_repeated_keys

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text())


@pytest.fixture(scope="module")
def study():
    return Study.load(ROOT / "config.yaml")


def test_a_job_gets_the_same_study_from_its_params(study):
    again = Study.of(type(study.config)(**study.config.model_dump(mode="json")))
    assert again.config == study.config and list(again.runs()) == list(study.runs())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda study: study.datasets["ckpls"], r"datasets: unknown name 'ckpls' \(did you mean 'ckplus'"),
        (lambda study: study.tasks["ckplus-7"], "tasks: unknown name 'ckplus-7'"),
        (lambda study: study.methods["emona"], r"did you mean 'emonas'"),
        (
            lambda study: study.task_of("ckplus-7n"),
            r"task: unknown name 'ckplus-7n' \(did you mean 'ckplus-7n-rendered'",
        ),
    ],
)
def test_an_unknown_name_is_one_message_with_the_nearest(study, ask, message):
    with pytest.raises(ConfigError, match=message):
        ask(study)


def test_folders_lead_back_to_what_they_hold(study):
    assert all(study.task_of(task.folder) is task for task in study.tasks.values())
    assert all(study.dataset_of(dataset.folder) is dataset for dataset in study.datasets.values())


def test_results_elsewhere_change_paths_and_nothing_else(study, tmp_path):
    moved = study.at(tmp_path)
    for one, other in zip(study.runs(), moved.runs(), strict=True):
        assert other.folder == tmp_path / one.folder.relative_to(study.results)
        assert (one.task, one.method, one.fold_groups, one.seeds) == (
            other.task,
            other.method,
            other.fold_groups,
            other.seeds,
        )


def test_the_folders_of_a_run_are_those_of_its_seeds_groups_and_shards(study):
    for run in study.runs():
        assert len(run.searches) == run.search_seeds * run.fold_groups
        assert len(run.repetitions) == len(run.seeds) and len(run.all_shards) == len(run.seeds) * run.shards
        assert len({str(folder) for folder in (*run.searches, *run.repetitions, *run.all_shards)}) == (
            len(run.searches) + len(run.repetitions) + len(run.all_shards)
        )


@pytest.mark.parametrize(
    ("given", "folder"),
    [("./res", "res"), ("res/", "res"), ("a//b", "a/b"), ("a/../b", "b"), ("/x/y/", "/x/y"), ("Ü b", "Ü b")],
)
def test_the_results_folder_is_written_in_one_way(document, given, folder):
    assert Study.parse({**document, "results": given}).results == Path(folder)


@pytest.mark.parametrize("given", ["", " ", ".", "./", "/", "..", "a{b}c", "a\0b", "a\nb", "x" * 300, "a/" + "ü" * 128])
def test_a_results_folder_that_cannot_be_one_is_refused(document, given):
    with pytest.raises(ConfigError, match="results: "):
        Study.parse({**document, "results": given})


@pytest.mark.parametrize("given", [True, 1.5, "1"])
def test_a_seed_is_a_whole_number(document, given):
    with pytest.raises(ConfigError, match="seed: "):
        Study.parse({**document, "seed": given})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nresults: a\nseed: 2\n", "seed: stands in line 1 and in line 3"),
        ("methods:\n  emonas: {space: a}\n  emonas: {space: b}\n", "emonas: stands in line 2 and in line 3"),
        ("study:\n- {task: a, task: b}\n", "task: stands in line 2 and in line 2"),
    ],
)
def test_a_repeated_key_is_an_error_with_its_lines(tmp_path, text, message):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Study.load(config)


def test_anchors_are_no_repeated_keys():
    levels = [f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    bomb = "a: &a [1, 1]\n" + "".join(levels)
    refuse_repeated_keys(bomb + "x: &x {k: 1}\ny: {<<: *x, k: 2}\n", "config.yaml")
