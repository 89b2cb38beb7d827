"""Fixtures of the reporting tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fernas.core.config import StudyConfig
from fernas.core.io import write_json, write_parquet
from fernas.reporting.compare import StudyTables, compare_study
from fernas.reporting.comparison import comparison
from fernas.reporting.report import build_report
from fernas.scoring.scores import score_predictions
from fernas.study import Study
from tests.fixtures.made_up_results import EMOTIONS, predictions
from tests.fixtures.stored_studies import Tree, own_tree, tree

__all__ = ["own_tree", "tree"]


@pytest.fixture(scope="session")
def tables(tree: Tree) -> StudyTables:
    """What `compare` writes of it."""
    return compare_study(*tree)


@pytest.fixture(scope="session")
def page(tree: Tree, tables: StudyTables) -> Path:
    """The report of it."""
    return build_report(tree[0], tree[1], tree[0] / "report")


def study_of(document: dict[str, Any]) -> Study:
    """The study of a config document; its plug-ins are not looked up."""
    return Study.of(StudyConfig.model_validate(document))


def report_of(results: Path, study: Study, out: Path | None = None) -> Path:
    """Tables and report of a results folder."""
    compare_study(results, study)
    return build_report(results, study, out or results / "report")


def finish(folder: Path, seed: int, quality: float, subjects: int = 8) -> None:
    people = [f"ckplus/S{i:03d}" for i in range(subjects)]
    table = predictions(np.random.default_rng(seed), EMOTIONS, people, quality)
    write_parquet(folder / "predictions.parquet", table)
    write_json(folder / "scores.json", score_predictions(table, EMOTIONS, resamples=100))
    write_json(folder / "status.json", {"status": "ok", "reason": ""})


def fixed_study(results: Path, tasks: dict[str, list[str]], methods: list[str], protocol: str = "kfold4") -> Study:
    """A study of fixed networks: task (`<dataset>-<count>`) -> its classes."""
    document = {
        "datasets": {task.partition("-")[0]: {} for task in tasks},
        "views": {"still": {"kind": "still"}},
        "tasks": {
            task: {"dataset": task.partition("-")[0], "classes": classes, "view": "still"}
            for task, classes in tasks.items()
        },
        "protocols": {protocol: {"kind": "subject_kfold"}},
        "methods": {name: {"search": "fixed"} for name in methods},
        "study": [{"task": task, "protocol": protocol, "methods": methods} for task in tasks],
    }
    return study_of(document).at(results)


def ranked_study(results: Path, datasets: int) -> tuple[Study, pd.DataFrame]:
    """One task on several datasets, three methods of different quality: the study and its comparison."""
    tasks = {f"{name}-7": EMOTIONS for name in ("ckplus", "disfa", "jaffe", "mug", "oulu")[:datasets]}
    for number, task in enumerate(tasks):
        for method, quality in (("strong", 0.9), ("middle", 0.6), ("weak", 0.2)):
            finish(results / f"runs/{task}-rendered/kfold4/{method}/no_data/s0/t0", number, quality, 4)
    study = fixed_study(results, tasks, ["strong", "middle", "weak"])
    return study, comparison(results, study)
