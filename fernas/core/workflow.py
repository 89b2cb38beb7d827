"""What the Snakefile asks: config sections of rules, inputs of rules, seeds, the start and end of the mirror."""

import atexit
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fernas.core import composites, grid, plugins
from fernas.core.config import StudyConfig
from fernas.core.errors import ConfigError, FernasError, unknown
from fernas.core.io import write_json, write_text
from fernas.core.left_over import OWNER, cancel_slurm_jobs, dead_owner, is_alive
from fernas.core.seeds import derive_seed

STOP = ".work/track.stop"


def all_targets(config: StudyConfig) -> list[str]:
    """The files of the whole study; one line on stderr per task that is skipped for want of a root."""
    for task, reason in grid.skipped(config):
        sys.stderr.write(f"skipped: {task}: {reason}\n")
    return [f"{config.results}/comparison.csv", f"{config.results}/report/index.html"]


def dataset_target(config: StudyConfig, dataset: str) -> list[str]:
    """The inputs of a dataset's target; an error is one message and exit status 2."""
    try:
        return grid.dataset_target(config, dataset)
    except FernasError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(2)  # Snakemake would wrap any exception of an input function into its own message and status 1


def ablation_scores(config: StudyConfig) -> list[str]:
    """The scores that the ablation table needs; without variants one message and exit status 2."""
    listed = {name for entry in config.study for name in entry.methods}
    if not any(name.startswith("emonas_") for name in listed):
        _refuse(
            "ConfigError: ablation: no method of this study is a variant of emonas (named emonas_...); some are in "
            "configs/ablation.yaml: snakemake --cores all ablation --configfile configs/ablation.yaml"
        )
    return grid.score_files(config)


def final_models(config: StudyConfig) -> list[str]:
    """The models on all subjects that the config asks for; without any one message and exit status 2."""
    if not config.final:
        _refuse("ConfigError: final: no model is asked for; list {task, protocol, method} under the key `final`")
    return [
        f"{config.results}/final/{grid.task_name(config, entry.task)}/{entry.protocol}/{entry.method}/model.safetensors"
        for entry in config.final
    ]


def final_architecture(config: StudyConfig, wildcards: Any) -> str:
    """The architecture of a model on all subjects: of a search on all of them, or of one that reads no data."""
    scope = "no_data" if grid.scopes_of(config.methods[wildcards.method]) == ("no_data",) else "whole_dataset"
    w = wildcards
    return f"{config.results}/runs/{w.task}/{w.protocol}/{w.method}/{scope}/s0/g0/architecture.json"


def final_scores(config: StudyConfig, wildcards: Any) -> list[str]:
    """The scores in cross-validation that a model on all subjects quotes."""
    w, method = wildcards, config.methods[wildcards.method]
    folder = f"{config.results}/runs/{w.task}/{w.protocol}/{w.method}/{grid.scopes_of(method)[0]}"
    seeds = [(s, t) for s in range(method.search_seeds) for t in range(method.train_seeds)]
    return [f"{folder}/s{s}/t{t}/scores.json" for s, t in seeds]


def final_section(config: StudyConfig, wildcards: Any) -> dict[str, Any]:
    """What an image goes through before a model sees it: view and faces, for params."""
    view = grid.view_of(config, grid.plain_name(wildcards.task), wildcards.method)
    return {"view": view_section(config, view), "faces": config.faces.model_dump(mode="json")}


def _refuse(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(2)  # as in `dataset_target`


def target_of(config: StudyConfig, dataset: str) -> Callable[[Any], list[str]]:
    """The input function of a dataset's target."""

    def inputs(wildcards: Any) -> list[str]:
        return dataset_target(config, dataset)

    return inputs


# ---------------------------------------------------------------------------------------------------- inputs


def _ordered(value: Any) -> Any:
    """The same value with sorted keys, so that the order of keys in the config file is no change."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def dataset_options(config: StudyConfig, data: str) -> dict[str, Any]:
    """The adapter's options of a dataset folder."""
    return _ordered(config.datasets[grid.plain_name(data)].options)


def rendered_options(config: StudyConfig, dataset: str) -> dict[str, Any]:
    """The renderer's options of a dataset with the study's seed."""
    return _ordered({"seed": derive_seed(config.seed, "render", dataset), **config.datasets[dataset].rendered})


def truth_files(config: StudyConfig, data: str) -> list[str]:
    """The renderer's sidecar of a rendered dataset; nothing for a real or a composite one."""
    dataset = grid.plain_name(data)
    if not data.endswith(grid.RENDERED) or composites.parts_of(config, dataset):
        return []
    return [f"{config.results}/rendered/{dataset}/truth.json"]


def part_files(config: StudyConfig, data: str, name: str) -> list[str]:
    """A file of each part of a composite; nothing for an ordinary dataset."""
    parts = composites.parts_of(config, grid.plain_name(data))
    return [f"{config.results}/data/{grid.data_name(config, part)}/{name}" for part in parts]


def _task(config: StudyConfig, folder: str) -> Any:
    task = grid.plain_name(folder)
    if task not in config.tasks or grid.task_name(config, task) != folder:
        raise unknown("task", folder, [grid.task_name(config, name) for name in config.tasks])
    return config.tasks[task]


def data_file(config: StudyConfig, task: str, name: str) -> str:
    """A file of the dataset of a task folder."""
    return f"{config.results}/data/{grid.data_name(config, _task(config, task).dataset)}/{name}"


def task_roots(config: StudyConfig, task: str) -> dict[str, str]:
    """Dataset -> root of the datasets of a task folder."""
    return grid.roots_of(config, _task(config, task).dataset)


def inputs_file(config: StudyConfig, task: str, method: str | None = None) -> str:
    """The inputs of a task folder in its view, or in a method's own."""
    return f"{_view_folder(config, task, method)}/inputs.npy"


def inputs_table(config: StudyConfig, task: str, method: str | None = None) -> str:
    """The table of inputs of a task folder in its view, or in a method's own."""
    return f"{_view_folder(config, task, method)}/inputs.parquet"


def _view_folder(config: StudyConfig, task: str, method: str | None) -> str:
    own = _task(config, task).view
    view = own if method is None else grid.view_of(config, grid.plain_name(task), method)
    return f"{config.results}/tasks/{task}/{view}"


def trained_methods(config: StudyConfig, combined: bool = False) -> str:
    """A pattern of the methods that are searched and trained, or of the ensembles; for wildcard constraints."""
    names = [name for name, method in config.methods.items() if bool(method.combine) == combined]
    return "|".join(names) or "no_such_method"


def member_files(config: StudyConfig, wildcards: Any, name: str) -> list[str]:
    """A file of each trained repetition that an ensemble combines."""
    w = wildcards
    folder = f"{config.results}/runs/{w.task}/{w.protocol}"
    return [f"{folder}/{m}/{scope}/s{s}/t{t}/{name}" for m, scope, s, t in grid.member_runs(config, w.method, w.scope)]


def statuses(config: StudyConfig, wildcards: Any) -> list[str]:
    """The status files on which a repetition's scores depend: of its shards, or of an ensemble's members."""
    if config.methods[wildcards.method].combine:
        return member_files(config, wildcards, "status.json")
    return shard_files(config, wildcards, "status.json")


def source_files(config: StudyConfig, wildcards: Any, kind: str) -> list[str]:
    """What a method takes over from another run: its `architecture`, `models` or `folds`; nothing for the others."""
    source, sized = (getattr(config.methods[wildcards.method], key) for key in ("init_from", "params_from"))
    if sized is not None and kind == "architecture":
        w, seeds = wildcards, config.methods[sized].search_seeds
        folder = f"{config.results}/runs/{w.task}/{w.protocol}/{sized}/{w.scope}"
        return [f"{folder}/s{int(w.ss) % seeds}/g{w.g}/architecture.json"]
    if source is None:
        return []
    task, protocol = grid.task_name(config, source.task), config.protocols[source.protocol]
    if kind == "folds":
        return [f"{config.results}/tasks/{task}/{source.protocol}/folds.train.json"]
    folder = f"{config.results}/runs/{task}/{source.protocol}/{source.method}/{source.scope}/s0"
    if kind == "models":
        return [f"{folder}/t0/shard{source.fold % protocol.shards}/models.safetensors"]
    groups = grid.groups_of(config.methods[source.method], protocol, source.scope, source.protocol)
    if groups > 1 and source.scope != "per_fold":
        raise ConfigError(
            f"methods.{wildcards.method}.init_from: {source.protocol} has {groups} groups, expected one architecture"
        )
    return [f"{folder}/g{source.fold if source.scope == 'per_fold' else 0}/architecture.json"]


def architectures(config: StudyConfig, wildcards: Any) -> list[str]:
    """The architectures of all groups of a run."""
    method, protocol = config.methods[wildcards.method], config.protocols[wildcards.protocol]
    count = grid.groups_of(method, protocol, wildcards.scope, wildcards.protocol)
    return [f"{_run_folder(config, wildcards)}/s{wildcards.ss}/g{g}/architecture.json" for g in range(count)]


def shard_files(config: StudyConfig, wildcards: Any, name: str) -> list[str]:
    """A file of each shard of a trained repetition."""
    folder = f"{_run_folder(config, wildcards)}/s{wildcards.ss}/t{wildcards.ts}"
    return [f"{folder}/shard{j}/{name}" for j in range(config.protocols[wildcards.protocol].shards)]


def _run_folder(config: StudyConfig, wildcards: Any) -> str:
    w = wildcards
    return f"{config.results}/runs/{w.task}/{w.protocol}/{w.method}/{w.scope}"


def kept(config: StudyConfig, path: str, temporary: Callable[[str], Any]) -> Any:
    """The path itself when models are kept (or a method starts from another's), else Snakemake's temporary form."""
    keep = config.keep_models or any(method.init_from for method in config.methods.values())
    return path if keep else temporary(path)


# ---------------------------------------------------------------------------------------------------- sections


def task_section(config: StudyConfig, task: str) -> dict[str, Any]:
    """The section of a task, for params."""
    return _ordered(_task(config, task).model_dump(mode="json"))


def view_section(config: StudyConfig, view: str) -> dict[str, Any]:
    """The section of a view, for params."""
    section = config.views[view]
    options = plugins.load("views", section.kind).options(section.options)
    return {"kind": section.kind, **options.model_dump(mode="json")}


def protocol_section(config: StudyConfig, protocol: str) -> dict[str, Any]:
    """What a protocol's folds depend on, for params."""
    section = config.protocols[protocol].model_dump(mode="json")
    section.pop("shards")
    return _ordered(section)


def search_section(config: StudyConfig, method: str) -> dict[str, Any]:
    """What a search depends on: its `method` without recipe and grid keys, and the method of its budget as `limit`."""
    limit = config.methods[method].budget_from
    return _ordered({"method": _method(config, method), "limit": None if limit is None else _method(config, limit)})


def _method(config: StudyConfig, method: str) -> dict[str, Any]:
    section = config.methods[method].model_dump(mode="json")
    for key in ("scopes", "search_seeds", "train_seeds", "mem_mb", "extra_data", "recipe", "recipe_options", "view"):
        section.pop(key)
    for key in ("combine", "init_from", "params_from"):
        if not section[key]:
            section.pop(key)
    return section


def train_section(config: StudyConfig, method: str) -> dict[str, Any]:
    """What a training depends on, for params (the architecture is an input)."""
    section = config.methods[method].model_dump(mode="json")
    keys = ("space", "recipe", "recipe_options", "network", *(["init_from"] if section["init_from"] else []))
    return _ordered({key: section[key] for key in keys})


def run_section(config: StudyConfig) -> dict[str, Any]:
    """How jobs run, recorded but without influence on results: device, checkpoints, where work lies."""
    return {"device": config.device, "every_s": config.checkpoint.every_s, "work": f"{config.results}/.work"}


def fold_seed(config: StudyConfig, task: str, protocol: str) -> int:
    """The seed of the folds of a task under a protocol."""
    return derive_seed(config.seed, "folds", grid.plain_name(task), protocol)


def search_seed(config: StudyConfig, wildcards: Any) -> int:
    """The seed of one search."""
    w = wildcards
    return derive_seed(config.seed, "search", grid.plain_name(w.task), w.protocol, w.method, w.scope, w.ss, w.g)


def train_seed(config: StudyConfig, wildcards: Any) -> int:
    """The seed of one trained repetition."""
    w = wildcards
    return derive_seed(config.seed, "train", grid.plain_name(w.task), w.protocol, w.method, w.scope, w.ss, w.ts)


def adapter_names(config: StudyConfig, data: str) -> dict[str, str]:
    """Dataset -> adapter of a dataset folder and of its parts, where the two names differ."""
    return composites.adapter_names(config, grid.plain_name(data))


def task_adapter_names(config: StudyConfig, task: str) -> dict[str, str]:
    """The same of a task folder's dataset."""
    return composites.adapter_names(config, _task(config, task).dataset)


def same_people(config: StudyConfig, task: str) -> dict[str, list[str]]:
    """Dataset of a task folder -> its other datasets that show the same people."""
    return composites.same_people(config, composites.sources_of(config, _task(config, task).dataset))


def data_adapters(config: StudyConfig, data: str) -> list[str]:
    """The adapter modules whose frames a dataset folder reads."""
    sources = composites.sources_of(config, grid.plain_name(data))
    return list(dict.fromkeys(composites.adapter_module(config, name) for name in sources))


def adapter_module(config: StudyConfig, data: str) -> str:
    """The adapter module that makes the manifest of a dataset folder."""
    return composites.adapter_module(config, grid.plain_name(data))


def layout_of(config: StudyConfig, dataset: str) -> str:
    """The layout that the renderer writes for a dataset."""
    return composites.adapter_name(config, dataset)


def data_roots(config: StudyConfig, data: str) -> dict[str, str]:
    """Dataset -> root, for all datasets whose frames a dataset folder reads."""
    return grid.roots_of(config, grid.plain_name(data))


def adapters(config: StudyConfig, task: str) -> list[str]:
    """The adapter modules whose frames a task folder reads."""
    return data_adapters(config, _task(config, task).dataset)


def search_modules(config: StudyConfig, method: str) -> list[str]:
    """The plug-in modules that a search uses."""
    return [plugins.module_name("search", config.methods[method].search), *space_modules(config, method)]


def train_modules(config: StudyConfig, method: str) -> list[str]:
    """The plug-in modules that a training uses."""
    return [plugins.module_name("training", config.methods[method].recipe), *space_modules(config, method)]


def space_modules(config: StudyConfig, method: str) -> list[str]:
    """The module of a method's space, if it has one."""
    space = config.methods[method].space
    return [plugins.module_name("spaces", space)] if space else []


def metric_modules() -> list[str]:
    """The modules of all scores: a changed one, or a new one, changes every table."""
    return [plugins.module_name("metrics", name) for name in plugins.available("metrics")]


def gpus(config: StudyConfig) -> int:
    """GPUs that a search or training job asks for."""
    return 1 if config.device == "cuda" else 0


# ---------------------------------------------------------------------------------------------------- start and end


def started(config: StudyConfig, files: list[Any]) -> None:
    """Record who owns the working folder, end what a killed one has left in a queue, start the mirror into MLflow."""
    results = Path(config.results)
    if dead_owner(results) is not None:
        cancel_slurm_jobs()
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "folder": str(Path.cwd())}
    write_json(results / OWNER, owner)
    stop = results / STOP
    stop.unlink(missing_ok=True)
    if not config.tracking.enabled:
        return
    log = results / "logs" / "track.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fernas.cli", "track", "follow", "--results", str(results)]
    command += ["--every", str(config.tracking.every_s), "--parent", str(os.getpid())]
    if config.tracking.uri:
        command += ["--uri", config.tracking.uri]
    with open(log, "ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    write_text(results / ".work" / "track.pid", f"{process.pid}\n")


def ended(config: StudyConfig, status: str, logs: Sequence[str] = ()) -> None:
    """Tell the mirror to take what is new and stop; wait for it at most a minute.

    Where jobs failed, and all of them for what the user can mend, Snakemake's exit status becomes 2 instead of 1.
    """
    if users_fault(logs):
        atexit.register(_leave, 2)
    results = Path(config.results)
    if config.tracking.enabled:
        write_text(results / STOP, f"{status}\n")
        _wait_for(results / ".work" / "track.pid", 60.0)
    (results / OWNER).unlink(missing_ok=True)
    if status == "ok" and (results / "comparison.md").exists():
        sys.stderr.write(f"tables: {results}/comparison.csv   report: {results}/report/index.html   runs: make ui\n")


def users_fault(logs: Sequence[str]) -> bool:
    """Whether the jobs that failed in a run, by its logs, all ended with status 2: bad data or a bad config."""
    statuses: set[str] = set()
    for log in logs:
        try:
            text = Path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        statuses |= set(re.findall(r"returned non-zero exit status (\d+)", text))
    return statuses == {"2"}


def _leave(status: int) -> None:
    """End this process with a status whatever Snakemake made of it; everything else has been done by now."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _wait_for(pid_file: Path, seconds: float) -> None:
    import time

    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, _ = _reap(pid)
        if done or not is_alive(pid):
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGTERM)


def _reap(pid: int) -> tuple[int, int]:
    """Collect a finished child, so that it does not stay a zombie that looks alive."""
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0, 0
