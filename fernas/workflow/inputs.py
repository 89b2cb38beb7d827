"""The inputs of rules that depend on the study: `wildcards` are those of the job that asks."""

from pathlib import Path
from typing import Any

from fernas.study import Run, Study
from fernas.study.layout import DatasetFolder, InputsFolder, ShardFolder, TrainFolder


def dataset_of(study: Study, wildcards: Any) -> DatasetFolder:
    """The dataset of a job's task."""
    return study.task_of(wildcards.task).dataset.files


def parts_of(study: Study, wildcards: Any) -> list[DatasetFolder]:
    """The parts of a composite; nothing for an ordinary dataset."""
    return [study.datasets[part].files for part in study.dataset_of(wildcards.data).parts]


def truth_of(study: Study, wildcards: Any) -> list[Path]:
    """What the renderer knows about a synthetic dataset; nothing for a real or a composite one."""
    dataset = study.dataset_of(wildcards.data)
    return [study.layout.rendered(dataset.name).truth] if dataset.is_rendered and not dataset.parts else []


def rendered_of(study: Study, wildcards: Any) -> list[Path]:
    """The synthetic faces that a job reads, of a dataset or of a task's; nothing for real ones."""
    dataset = study.dataset_of(wildcards.data) if hasattr(wildcards, "data") else study.task_of(wildcards.task).dataset
    return [study.layout.rendered(member.name).root for member in dataset.members if member.is_rendered]


def inputs_of(study: Study, wildcards: Any) -> InputsFolder:
    """What the networks of a job's method see."""
    return study.task_of(wildcards.task).inputs(wildcards.method)


def run_of(study: Study, wildcards: Any) -> Run:
    """The run that a job belongs to."""
    task = study.task_of(wildcards.task).name
    return study.run(task, wildcards.protocol, wildcards.method, wildcards.scope)


def architectures_of(study: Study, wildcards: Any) -> list[Path]:
    """The architectures of all fold groups of a repetition."""
    run = run_of(study, wildcards)
    return [run.search_folder(wildcards.search_seed, group).architecture for group in range(run.fold_groups)]


def shards_of(study: Study, wildcards: Any) -> list[ShardFolder]:
    """The shards of a trained repetition."""
    run = run_of(study, wildcards)
    return [run.shard_folder(wildcards.search_seed, wildcards.train_seed, shard) for shard in range(run.shards)]


def members_of(study: Study, wildcards: Any) -> list[TrainFolder]:
    """The trained repetitions that an ensemble combines."""
    task = study.task_of(wildcards.task).name
    return [
        study.run(task, wildcards.protocol, member.method, member.scope).train_folder(
            member.search_seed, member.train_seed
        )
        for member in study.members_of(wildcards.method, wildcards.scope)
    ]


def statuses_of(study: Study, wildcards: Any) -> list[Path]:
    """The status files on which a repetition's scores depend: of its shards, or of an ensemble's members."""
    folders = members_of if study.methods[wildcards.method].combine else shards_of
    return [folder.status for folder in folders(study, wildcards)]


def source_architecture(study: Study, wildcards: Any) -> list[Path]:
    """The architecture of another run that a search takes over, or whose size it takes; nothing for most methods."""
    method = study.methods[wildcards.method]
    if method.params_from is not None:
        task = study.task_of(wildcards.task).name
        other = study.run(task, wildcards.protocol, method.params_from, wildcards.scope)
        # the other method may have fewer search seeds: then they are used in turn
        seed = int(wildcards.search_seed) % other.search_seeds
        return [other.search_folder(seed, wildcards.fold_group).architecture]
    source = method.init_from
    if source is None:
        return []
    other = study.run(source.task, source.protocol, source.method, source.scope)
    # of the first seeds, as the models are: one run is taken over, however many seeds it has
    return [other.search_folder(0, (source.fold or 0) if source.scope == "per_fold" else 0).architecture]


def source_models(study: Study, wildcards: Any) -> list[Path]:
    """The models of another run that a training starts from; nothing for most methods.

    Within one task and protocol they are those of its own folds: both runs share their folds out to shards alike.
    """
    source = study.methods[wildcards.method].init_from
    if source is None:
        return []
    other = study.run(source.task, source.protocol, source.method, source.scope)
    same_folds = (source.task, source.protocol) == (study.task_of(wildcards.task).name, wildcards.protocol)
    shard = int(wildcards.shard) if same_folds else (source.fold or 0) % other.shards
    return [other.shard_folder(0, 0, shard).models]


def source_folds(study: Study, wildcards: Any) -> list[Path]:
    """The folds of the run that a training starts from; nothing for most methods."""
    source = study.methods[wildcards.method].init_from
    return [] if source is None else [study.tasks[source.task].folds(source.protocol).train]


def final_architecture(study: Study, wildcards: Any) -> Path:
    """The architecture of a model on all subjects: of a search on all of them, or of one that reads no data."""
    scope = "no_data" if study.scopes_of(wildcards.method) == ("no_data",) else "whole_dataset"
    run = study.run(study.task_of(wildcards.task).name, wildcards.protocol, wildcards.method, scope)
    return run.search_folder(0, 0).architecture


def final_scores(study: Study, wildcards: Any) -> list[Path]:
    """The scores in cross-validation that a model on all subjects quotes."""
    scope = study.scopes_of(wildcards.method)[0]
    run = study.run(study.task_of(wildcards.task).name, wildcards.protocol, wildcards.method, scope)
    return [repetition.scores for repetition in run.repetitions]
