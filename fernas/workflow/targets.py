"""What the targets of the workflow ask for, and how many jobs the whole study needs."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fernas.core.errors import ConfigError, FernasError, unknown
from fernas.study import Run, Study, outputs

SHIPPED = (
    "ckplus", "ck48", "mug", "ised", "disfa", "oulu", "fer2013", "rafdb", "jaffe",
    "casme", "casme2", "casme_sq", "samm", "smic", "megc2019",
)  # fmt: skip


def all_files(study: Study) -> list[Path]:
    """The files of the whole study; one line on stderr per task that is skipped for want of a root."""
    for task, reason in study.skipped:
        sys.stderr.write(f"skipped: {task}: {reason}\n")
    return [*table_files(study), study.layout.drawings, *report_files(study), *outputs.run_files(study)]


def table_files(study: Study) -> list[Path]:
    """What `compare` makes, but for the drawings."""
    return [study.layout.comparison, study.layout.comparison_markdown, *outputs.table_files(study)]


def report_files(study: Study) -> list[Path]:
    """What `report` makes."""
    pages = outputs.report_pages(outputs.reported_tasks(study))
    return [study.layout.report.index, *(study.layout.report / page for page in pages)]


def score_files(study: Study, dataset: str | None = None) -> list[Path]:
    """The scores of all repetitions of the study, or of one dataset."""
    return [repetition.scores for run in study.runs(dataset) for repetition in run.repetitions]


def record_files(study: Study) -> list[Path]:
    """What tables read in addition to scores: the architecture of every search, and the status of every shard."""
    return architecture_files(study) + [shard.status for run in study.runs() for shard in run.all_shards]


def cost_files(study: Study) -> list[Path]:
    """What every search and every shard has cost."""
    runs = list(study.runs())
    return [s.cost for run in runs for s in run.searches] + [s.cost for run in runs for s in run.all_shards]


def architecture_files(study: Study) -> list[Path]:
    """The architectures of every search."""
    return [search.architecture for run in study.runs() for search in run.searches]


def dataset_files(study: Study, dataset: str) -> list[Path]:
    """What the target of a dataset asks for.

    Raises:
        ConfigError: it cannot run.
    """
    missing = study.datasets[dataset].missing_roots
    if missing:
        raise ConfigError(
            f"config.yaml: datasets.{missing[0]}.root: missing, expected the folder of your copy "
            f"(the target {dataset} was asked for and its source is real)"
        )
    files = score_files(study, dataset)
    if not files:
        raise ConfigError(f"config.yaml: study: no entry has a task of {dataset}; add one to run this target")
    return files


def datasets(study: Study) -> list[str]:
    """The datasets that have a target: those that fernas ships, and those that the config names itself."""
    return list(dict.fromkeys([*SHIPPED, *study.datasets]))


def dataset_input(study: Study, dataset: str) -> Callable[[Any], list[Path]]:
    """The input function of a dataset's target; an error is one message and exit status 2."""

    def files(wildcards: Any) -> list[Path]:
        try:
            return dataset_files(study, dataset)
        except FernasError as error:
            _refuse(f"{type(error).__name__}: {error}")

    return files


def ablation_scores(study: Study) -> list[Path]:
    """The scores that the ablation table needs; without variants one message and exit status 2."""
    if not any(name.startswith("emonas_") for entry in study.config.study for name in entry.methods):
        _refuse(
            "ConfigError: ablation: no method of this study is a variant of emonas (named emonas_...); some are in "
            "configs/ablation.yaml: snakemake --cores all ablation --configfile configs/ablation.yaml"
        )
    return score_files(study)


def final_models(study: Study) -> list[Path]:
    """The models on all subjects that the config asks for; without any one message and exit status 2."""
    if not study.config.final:
        _refuse("ConfigError: final: no model is asked for; list {task, protocol, method} under the key `final`")
    return [
        study.layout.final(study.tasks[entry.task].folder, entry.protocol, entry.method).model
        for entry in study.config.final
    ]


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(2)  # Snakemake would wrap any exception of an input function into its own message and status 1


def runs_of(study: Study, datasets: Sequence[str] = ()) -> list[Run]:
    """The runs of the whole study, or those of the targets of these datasets.

    Raises:
        ConfigError: there is no such target, or it cannot run.
    """
    for name in datasets:
        if name not in study.datasets:
            raise unknown("target", name, study.datasets)
        dataset_files(study, name)
    return [run for name in dict.fromkeys(datasets or (None,)) for run in study.runs(name)]


def count_jobs(study: Study, datasets: Sequence[str] = ()) -> dict[str, int]:
    """Jobs per rule that the whole study needs, or the targets of these datasets, which make no tables."""
    runs = runs_of(study, datasets)
    splits = {(run.task, run.protocol) for run in runs}
    tasks = [study.tasks[name] for name in {run.task for run in runs}]
    sources = {source for task in tasks for source in task.dataset.sources}
    # folds are made of the samples that have an input in the task's own view
    views = {(task.name, task.section.view) for task in tasks}
    views |= {(run.task, study.tasks[run.task].view_of(run.method)) for run in runs if run.shards}
    # a composite has jobs of its own beside those of its parts
    every = sources | {task.dataset.name for task in tasks}
    return {
        "synthesize": sum(study.datasets[name].is_rendered for name in sources),
        "build_manifest": len(every),
        "audit_dataset": len(every),
        "align_faces": len(every),
        "make_samples": len(tasks),
        "make_inputs": len(views),
        "make_folds": len(splits),
        "audit_folds": len(splits),
        "search": sum(len(run.searches) for run in runs),
        "train": sum(len(run.all_shards) for run in runs),
        "predict": sum(len(run.seeds) for run in runs if run.shards),
        "combine": sum(len(run.seeds) for run in runs if not run.shards),
        "score": sum(len(run.seeds) for run in runs),
        "compare": int(not datasets),
        "report": int(not datasets),
    }
