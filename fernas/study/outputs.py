"""The tables and pages of a study, by name: what the rules `compare` and `report` declare and write."""

from collections.abc import Sequence
from pathlib import Path

from fernas.study.layout import Folder, files_of
from fernas.study.study import Study

FORMS = ("csv", "md", "tex")
FRAMES = (
    "comparison", "paired", "variance", "optimism", "search_health", "scores", "datasets", "groups", "patches",
    "published",
)  # fmt: skip
STUDY_TABLES = ("paired", "variance", "optimism", "search_health", "published", "papers", "summary")
MAX_TASKS_OF_ONE_PAGE = 8
"""A report of more tasks is a folder: an index, a page per task, and all of it as an archive."""


def reported_tasks(study: Study) -> list[tuple[str, str]]:
    """The (task, protocol) pairs that have tables: those of the study.

    Those that run only when their dataset is named have them once something of theirs has run.
    """
    started = {(run.task, run.protocol) for run in study.runs(named=True) if run.folder.exists()}
    entries = ((entry.when, (entry.task, entry.protocol)) for entry in study.config.study)
    return list(dict.fromkeys(pair for when, pair in entries if when == "all" or pair in started))


def task_tables(study: Study, task: str, protocol: str) -> list[str]:
    """The names of the tables of one task; one without rows has its headings only."""
    methods = [
        study.methods[name]
        for entry in study.config.study
        if (entry.task, entry.protocol) == (task, protocol)
        for name in entry.methods
    ]
    parts = ["scores", "groups"]
    if study.tasks[task].dataset.parts:
        parts.append("datasets")
    if any(method.space == "patches" or method.search_options.get("name") == "whole_face" for method in methods):
        parts.append("patches")
    return [f"{task}-{protocol}", *(f"{task}-{protocol}-{part}" for part in parts)]


def tables(study: Study) -> list[str]:
    """The names of all tables that are written as csv, markdown and LaTeX."""
    return [*STUDY_TABLES, *(name for pair in reported_tasks(study) for name in task_tables(study, *pair))]


def table_files(study: Study) -> list[Path]:
    """All that `compare` writes beside the comparison and the drawings."""
    folder = study.layout.tables
    return [
        *(folder / name for name in ("statistics.json", "ranks.json")),
        *(folder / f"{name}.parquet" for name in FRAMES),
        *(folder / f"{name}.{form}" for name in tables(study) for form in FORMS),
    ]


def report_pages(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The files of a report of these tasks beside its index: none, or a page per task and the archive of all."""
    pages = [f"{slug(f'{task}-{protocol}')}.html" for task, protocol in pairs]
    return [*pages, "report.zip"] if len(pairs) > MAX_TASKS_OF_ONE_PAGE else []


def slug(text: object) -> str:
    """A text as an id: letters, digits and dashes."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in str(text)).strip("-").lower()


def run_files(study: Study) -> list[Path]:
    """What stays of all runs: the files of searches, shards and repetitions, without models."""
    folders: list[Folder] = []
    for run in study.runs():
        folders += [*run.searches, *run.all_shards, *run.repetitions]
    return [path for folder in folders for path in files_of(folder) if path.suffix != ".safetensors"]
