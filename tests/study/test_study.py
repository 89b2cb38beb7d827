"""The views of a study: datasets, tasks and runs by name and by folder."""

from pathlib import Path

import pytest

from fernas.core.errors import ConfigError
from fernas.study import Study

ROOT = Path(__file__).resolve().parents[2]


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
