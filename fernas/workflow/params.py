"""The params of rules: sections of the config, seeds and plug-in modules; a change of them runs the rule again."""

from typing import Any

from fernas.core import plugins
from fernas.core.architecture import architecture_hash
from fernas.core.seeds import derive_seed
from fernas.study import Dataset, Study, Task

HOW_JOBS_RUN = ("results", "device", "threads", "checkpoint", "code_digest", "keep_models", "final")


def ordered(value: Any) -> Any:
    """The same value with sorted keys, so that the order of keys in the config file is no change."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


# ---------------------------------------------------------------------------------------------------- sections


def source_section(dataset: Dataset) -> dict[str, Any]:
    """Where the frames of a dataset are read: its name, the roots and the adapters of its parts."""
    return {"name": dataset.name, "roots": dataset.roots, "adapters": dataset.adapters}


def rendered_section(study: Study, dataset: str) -> dict[str, Any]:
    """The renderer's options of a dataset, with its seed."""
    seed = derive_seed(study.config.seed, "render", dataset)
    return ordered({"seed": seed, **study.datasets[dataset].section.rendered})


def task_section(task: Task) -> dict[str, Any]:
    """What the samples of a task depend on."""
    return ordered(task.section.model_dump(mode="json"))


def view_section(study: Study, view: str) -> dict[str, Any]:
    """What inputs depend on: the kind of the view and its options, defaults filled in."""
    section = study.views[view]
    options = plugins.load("views", section.kind).options(section.options)
    return {"kind": section.kind, **options.model_dump(mode="json")}


def split_section(study: Study, wildcards: Any) -> dict[str, Any]:
    """What the folds of a task depend on: the `protocol`, its `name`, `same_people` among the datasets, the `seed`."""
    protocol = study.protocols[wildcards.protocol].model_dump(mode="json")
    # how folds are shared out to jobs does not change them
    protocol.pop("shards")
    task = study.task_of(wildcards.task)
    return {
        "protocol": ordered(protocol),
        "name": wildcards.protocol,
        "same_people": study.same_people(task.dataset.sources),
        "seed": derive_seed(study.config.seed, "folds", task.name, wildcards.protocol),
    }


def search_section(study: Study, method: str) -> dict[str, Any]:
    """What a search depends on: its `method` without recipe and grid keys, and the method of its budget as `limit`.

    Where cells come from a file also their hash as `cells`: the options name the file alone.
    """
    limit, cells = study.methods[method].budget_from, study.cells_of(method)
    section = {"method": _searched(study, method), "limit": None if limit is None else _searched(study, limit)}
    return ordered(section if cells is None else {**section, "cells": architecture_hash(cells)})


def _searched(study: Study, method: str) -> dict[str, Any]:
    section = study.methods[method].model_dump(mode="json")
    # these change no single search: another recipe or one more seed must not repeat it
    for key in ("scopes", "search_seeds", "train_seeds", "mem_mb", "extra_data", "recipe", "recipe_options", "view"):
        section.pop(key)
    for key in ("combine", "init_from", "params_from"):
        if not section[key]:
            section.pop(key)
    return section


def train_section(study: Study, method: str) -> dict[str, Any]:
    """What a training depends on (the architecture is an input)."""
    section = study.methods[method].model_dump(mode="json")
    keys = ("space", "recipe", "recipe_options", "network", *(["init_from"] if section["init_from"] else []))
    return ordered({key: section[key] for key in keys})


def image_section(study: Study, wildcards: Any) -> dict[str, Any]:
    """What an image goes through before a model on all subjects sees it: view and faces."""
    view = study.task_of(wildcards.task).view_of(wildcards.method)
    return {"view": view_section(study, view), "faces": study.config.faces.model_dump(mode="json")}


def run_section(study: Study) -> dict[str, Any]:
    """How jobs run: recorded, but without influence on results; rules pass it so that a change runs nothing again."""
    config = study.config
    return {"device": config.device, "every_s": config.checkpoint.every_s, "work": str(study.layout.work)}


def results_config(study: Study) -> dict[str, Any]:
    """What tables and report depend on: the config without what says only where and how jobs run."""
    config = study.config.model_dump(mode="json")
    for key in HOW_JOBS_RUN:
        config.pop(key)
    # the rest of `tracking` says where the mirror writes
    config["tracking"] = {"real_faces": study.config.tracking.real_faces}
    for method in config["methods"].values():
        method.pop("mem_mb")
    return config


# ---------------------------------------------------------------------------------------------------- seeds


def search_seed(study: Study, wildcards: Any) -> int:
    """The seed of one search."""
    return _seed(study, "search", wildcards, wildcards.fold_group)


def train_seed(study: Study, wildcards: Any) -> int:
    """The seed of one trained repetition."""
    return _seed(study, "train", wildcards, wildcards.train_seed)


def _seed(study: Study, stage: str, wildcards: Any, last: str) -> int:
    # names instead of positions: a new task or method leaves the streams of all others as they are
    names = (wildcards.protocol, wildcards.method, wildcards.scope, wildcards.search_seed, last)
    return derive_seed(study.config.seed, stage, study.task_of(wildcards.task).name, *names)


# ---------------------------------------------------------------------------------------------------- modules


def adapter_modules(dataset: Dataset) -> list[str]:
    """The adapters of the datasets whose frames a dataset reads."""
    return list(dict.fromkeys(member.adapter_module for member in dataset.members))


def layout_module(study: Study, dataset: str) -> str:
    """The layout that the renderer writes for a dataset."""
    return plugins.module_name("synth/layouts", study.datasets[dataset].adapter)


def view_module(study: Study, view: str) -> str:
    """The plug-in of a view."""
    return plugins.module_name("views", study.views[view].kind)


def protocol_module(study: Study, protocol: str) -> str:
    """The plug-in of a protocol."""
    return plugins.module_name("protocols", study.protocols[protocol].kind)


def search_modules(study: Study, method: str) -> list[str]:
    """The plug-ins that a search uses."""
    return [plugins.module_name("search", study.methods[method].search), *space_modules(study, method)]


def train_modules(study: Study, method: str) -> list[str]:
    """The plug-ins that a training uses."""
    return [plugins.module_name("training", study.methods[method].recipe), *space_modules(study, method)]


def space_modules(study: Study, method: str) -> list[str]:
    """The plug-in of a method's space, if it has one."""
    space = study.methods[method].space
    return [plugins.module_name("spaces", space)] if space else []


def metric_modules() -> list[str]:
    """All metrics: a changed one, or a new one, changes every table."""
    return [plugins.module_name("metrics", name) for name in plugins.available("metrics")]


# ---------------------------------------------------------------------------------------------------- rules


def methods_pattern(study: Study, combined: bool = False) -> str:
    """A pattern of the methods that are searched and trained, or of the ensembles; for wildcard constraints."""
    names = [name for name, method in study.methods.items() if bool(method.combine) == combined]
    return "|".join(names) or "no_such_method"


def keeps_models(study: Study) -> bool:
    """Whether trained models stay: when the config says so, or when a method starts from another's."""
    return study.config.keep_models or any(method.init_from for method in study.methods.values())


def gpus(study: Study) -> int:
    """GPUs that a search or training job asks for."""
    return 1 if study.config.device == "cuda" else 0
