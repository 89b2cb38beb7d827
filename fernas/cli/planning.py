"""What a study will cost on processor cores, before it starts: jobs, core-hours, disk and memory.

Sizes come from `sizes`, folds from the protocols, multiply-accumulates from the networks and searches themselves, and
seconds from `rates`.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fernas.cli import rates
from fernas.cli.sizes import DatasetSize, TaskSize, dataset_size, task_size
from fernas.core import plugins
from fernas.core.architecture import Architecture, NamedArchitecture, Network
from fernas.core.config import MethodConfig
from fernas.core.seeds import rng
from fernas.learn.config import batches_per_epoch, effective_batch
from fernas.search.context import PartSizes, SearchSize
from fernas.search.evolution import EvolutionConfig
from fernas.search.run import load_method, search_budget_macs
from fernas.spaces.patches import to_architecture
from fernas.spaces.sampling import random_architecture
from fernas.study import Run, Study, Task
from fernas.training.run import load_recipe
from fernas.workflow.targets import count_jobs, runs_of

if TYPE_CHECKING:
    from fernas.spaces.complexity import Work

CLASSES = 7  # a task's number of classes hardly changes the work: with one number its networks are counted once
LARGEST_COUNTED = 64  # px of an image on which networks of cells are counted
DRAWS = 3  # random networks of a space over which the work of one is averaged
DATA_JOB_MB = 2000  # what rules ask for that read a dataset or write tables


@dataclass(frozen=True)
class RunCost:
    """Core-seconds of one search, one shard and one prediction job of a run, start-up included."""

    run: Run
    search_s: float
    train_s: float
    predict_s: float


@dataclass(frozen=True)
class Splits:
    """The expected folds of a task under a protocol.

    Attributes:
        folds: their number.
        search: samples of the parts that one search works on.
        train: samples that one fold's network learns from.
        inner: samples of a fold's inner validation.
        tested: samples that all folds test.
    """

    folds: int
    search: PartSizes
    train: int
    inner: int
    tested: int


def splits_of(study: Study, run: Run, size: TaskSize) -> Splits:
    """What a run's searches and trainings will work on."""
    section = study.protocols[run.protocol]
    protocol, shares = plugins.load("protocols", section.kind), section.parts
    options = protocol.options(section.options)
    folds = max(1, protocol.count_folds(options, size.counts))
    learnt = protocol.train_share(options, size.counts)
    tested = 1 - learnt
    if run.scope in ("whole_dataset", "published"):
        pool = 1.0
    elif run.scope == "per_fold":
        pool = learnt
    else:  # a group's search sees what none of its folds tests
        pool = max(1 / folds, 1 - tested * folds / max(1, section.groups))
    parts = {name: max(1, int(size.inputs * pool * getattr(shares, name))) for name in PartSizes.__dataclass_fields__}
    train, inner = size.inputs * learnt * (1 - shares.inner_validation), size.inputs * learnt * shares.inner_validation
    return Splits(folds, PartSizes(**parts), max(1, int(train)), int(inner), round(size.inputs * tested * folds))


def run_costs(study: Study, datasets: Sequence[str] = ()) -> list[RunCost]:
    """What one job of each kind of each run will cost; of the whole study, or of the targets of some datasets."""
    sizes: dict[str, TaskSize] = {}
    known: dict[str, RunCost] = {}
    costs = []
    for run in runs_of(study, datasets):
        if run.task not in sizes:
            sizes[run.task] = task_size(study, run.task)
        size = sizes[run.task]
        view, classes = study.tasks[run.task].view_of(run.method), study.tasks[run.task].section.classes
        key = repr((run.method, run.scope, run.protocol, size, classes, view))  # seeds and names cost the same
        if key not in known:
            known[key] = _run_cost(study, run, size)
        cost = known[key]
        costs.append(RunCost(run, cost.search_s, cost.train_s, cost.predict_s))
    return costs


def _run_cost(study: Study, run: Run, size: TaskSize) -> RunCost:
    if not run.shards:  # an ensemble
        return RunCost(run, 0.0, 0.0, rates.LIGHT_JOB_S)
    method, splits = study.methods[run.method], splits_of(study, run, size)
    plugin, recipe = load_recipe(method)
    if plugin.features:
        channels, height, width = _shape_of(study, study.tasks[run.task].view_of(run.method))
        values = splits.train * channels * height * width * len(study.tasks[run.task].section.classes)
        training, predicted = splits.folds * len(recipe.c) * values * rates.SVM_S, 0.0
    else:
        epochs, steps = splits.folds * recipe.all_epochs, batches_per_epoch(recipe, splits.train)
        works = _works(study, run, method)
        training = _mean(
            rates.training_s(work, epochs * splits.train, epochs * steps) + rates.forward_s(work, epochs * splits.inner)
            for work in works
        )
        predicted = _mean(rates.forward_s(work, splits.tested) for work in works)
    searched = _search_s(study, run, splits.search)
    return RunCost(run, *(rates.TORCH_JOB_S + s for s in (searched, training / run.shards, predicted)))


def _search_s(study: Study, run: Run, parts: PartSizes) -> float:
    """Core-seconds of one search beyond the start of its job; 0 where it reads no data."""
    method = study.methods[run.method]
    plugin, options = load_method(method)
    if not plugin.uses_data:
        return 0.0
    limit = study.methods[method.budget_from] if method.budget_from else method
    shape = _shape_of(study, study.tasks[run.task].view_of(run.method))
    if load_method(limit)[0].budget is None:  # as many candidates as the options say, each of them trained
        macs = _candidate_macs(options, _works(study, run, method), parts)
    else:
        macs = _budget_macs(limit, shape, parts)
    if plugin.cell_steps is not None:
        # a step has two halves: one on the alphas, one on the weights
        size = SearchSize(method.space or "", method.network, CLASSES, shape, parts)
        return rates.supernet_s(macs, 2 * plugin.cell_steps(options, size), plugin.name, options.form)
    works, patches = _works(study, run, method), method.space == "patches"
    batch = effective_batch((load_method(limit)[1] if patches else options).train, parts.weights)
    step_s = 0.0 if patches else rates.STEP_S  # patch searches have a loop of their own
    images = [macs / (3 * work.macs) for work in works]
    return _mean(rates.training_s(work, n, n / batch, step_s) for work, n in zip(works, images, strict=True))


def _budget_macs(method: MethodConfig, shape: tuple[int, int, int], parts: PartSizes) -> float:
    """The multiply-accumulates of a search."""
    plugin, options = load_method(method)
    sized, factor = method.model_copy(update={"network": method.network.at(max(shape[1:]))}), 1
    if plugin.cell_steps is not None and options.augment.crop is None:
        shape, factor = _halved(shape)
    return factor * search_budget_macs(sized, CLASSES, shape, parts)


def _halved(shape: tuple[int, int, int]) -> tuple[tuple[int, int, int], int]:
    """A smaller image on which networks of cells are counted sooner, and how many times their work is larger on this.

    Convolutions grow with the area of the image; strides divide it evenly.
    """
    (channels, height, width), factor = shape, 1
    while max(height, width) > LARGEST_COUNTED and not (height % 8 or width % 8):
        height, width, factor = height // 2, width // 2, 4 * factor
    return (channels, height, width), factor


def _candidate_macs(options: Any, works: Sequence["Work"], parts: PartSizes) -> float:
    images = 3 * options.train.all_epochs * parts.weights + parts.selection
    return (options.candidates or 1) * images * _mean(work.macs for work in works)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _shape_of(study: Study, name: str) -> tuple[int, int, int]:
    """(channels, height, width) of a view's images."""
    view = study.views[name]
    plugin = plugins.load("views", view.kind)
    height, width, channels = plugin.shape(plugin.options(view.options))
    return channels, height, width


def _works(study: Study, run: Run, method: MethodConfig) -> list["Work"]:
    """The work of networks like those that a run will train: its fixed one, or some drawn from its space."""
    source = method
    while source.init_from is not None:  # the network of another run
        source = study.methods[source.init_from.method]
    shape, factor = _shape_of(study, study.tasks[run.task].view_of(run.method)), 1
    sized = source.network.at(max(shape[1:])).model_dump()
    plugin, options = load_method(source)
    if source.space not in (None, "patches") or plugin.architecture is not None:
        shape, factor = _halved(shape)
    network = Network(**sized, classes=CLASSES, input=shape)
    drawn: list[Architecture]
    if source.space == "patches":
        limits = EvolutionConfig().limits(shape[1])
        drawn = [to_architecture(limits.random_genome(rng(0, "plan", n)), shape[1], network) for n in range(DRAWS)]
    elif plugin.architecture is not None:
        drawn = [plugin.architecture(options).model_copy(update={"network": network})]
    elif source.space is not None:
        drawn = [random_architecture(source.space, rng(0, "plan", source.space, n), network) for n in range(DRAWS)]
    else:
        name = str(source.search_options["name"])
        drawn = [NamedArchitecture(name=name, network=Network(classes=CLASSES, input=shape))]
    works = [_work(architecture.model_dump_json()) for architecture in drawn]
    return [dataclasses.replace(work, macs=factor * work.macs, outputs=factor * work.outputs) for work in works]


@functools.cache
def _work(architecture: str) -> "Work":
    """From its json; the same networks recur in a study."""
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import work

    return work(parse_architecture(json.loads(architecture)))


def estimate(study: Study, datasets: Sequence[str] = ()) -> dict[str, Any]:
    """The cost of a study on processor cores, or of the targets of some datasets: rows per kind of job, and sums.

    Returns:
        stages (list of {stage, jobs, core_s}), jobs, core_hours, minutes_on_2_cores, disk_mb, memory_mb_per_job (the
        largest), and what the plan does not hold: left_out (datasets that run when they are named, tasks without a
        root) and assumed (datasets whose number of samples nobody has published).
    """
    counts = count_jobs(study, datasets)
    heavy = ("search", "train", "predict")
    seconds = {name: 0.0 if name in heavy else jobs * rates.LIGHT_JOB_S for name, jobs in counts.items()}
    costs = run_costs(study, datasets)
    tasks = {cost.run.task: study.tasks[cost.run.task] for cost in costs}
    sizes = {name: dataset_size(study.datasets[name]) for task in tasks.values() for name in _read_by(task)}
    for name, size in sizes.items():
        for stage, work in data_s(study, name, size).items():
            seconds[stage] += work
    views = {(c.run.task, study.tasks[c.run.task].view_of(c.run.method)) for c in costs if c.run.shards}
    seconds["make_inputs"] += sum(inputs_s(study, task, view) for task, view in views)
    for cost in costs:
        seconds["search"] += cost.search_s * len(cost.run.searches)
        seconds["train"] += cost.train_s * len(cost.run.all_shards)
        seconds["predict" if cost.run.shards else "combine"] += cost.predict_s * len(cost.run.seeds)
    total = sum(seconds.values())
    runs = [cost.run for cost in costs]
    return {
        "stages": [{"stage": n, "jobs": counts[n], "core_s": round(s, 1)} for n, s in seconds.items() if counts[n]],
        "jobs": sum(counts.values()),
        "core_hours": round(total / 3600, 3),
        "minutes_on_2_cores": round(total / 120, 1),
        "disk_mb": round(_disk_mb(study, runs, sizes), 1),
        "memory_mb_per_job": max([DATA_JOB_MB, *(study.methods[run.method].mem_mb for run in runs)]),
        "planned_for": "processor cores" + ("" if study.config.device == "cpu" else "; not for a GPU"),
        "left_out": left_out(study, datasets),
        "assumed": [f"{name}: {size.samples} samples" for name, size in sizes.items() if not size.known],
    }


def _read_by(task: Task) -> set[str]:
    """The datasets that a task reads: its own, and the parts of that."""
    return {task.dataset.name, *task.dataset.sources}


def data_s(study: Study, name: str, size: DatasetSize) -> dict[str, float]:
    """Core-seconds of the jobs of a dataset beyond their start."""
    dataset = study.datasets[name]
    crops = dataset.spec is not None and dataset.spec.ships_crops
    seconds = {"audit_dataset": size.frames * (rates.CROP_FRAME_S if crops else rates.FRAME_S)}
    if not dataset.parts:  # a composite has the faces of its parts
        seconds["align_faces"] = size.samples * (rates.CROP_S if crops else rates.FACE_S)
        if dataset.is_rendered:
            seconds["synthesize"] = size.frames * rates.RENDER_S
    return seconds


def inputs_s(study: Study, task: str, view: str) -> float:
    """Core-seconds of making a task's inputs in a view, beyond the start of the job."""
    dataset, section = study.tasks[task].dataset, study.views[view]
    size, inputs = dataset_size(dataset), task_size(study, task).inputs
    if plugins.load("views", section.kind).needs_clips:
        inputs *= round(size.frames / max(1, size.samples))
    crops = dataset.spec is not None and dataset.spec.ships_crops
    return inputs * (rates.CROP_FRAME_S if crops else rates.FRAME_S)


def left_out(study: Study, datasets: Sequence[str]) -> list[str]:
    """What a plan does not hold, and why."""
    if datasets:
        started = {run.method: study.methods[run.method].init_from for run in runs_of(study, datasets)}
        places = {name: source.task for name, source in started.items() if source is not None}
        others = {m: task for m, task in places.items() if study.tasks[task].dataset.name not in datasets}
        rows = [f"the run on {task} that {method} starts from" for method, task in others.items()]
        return [*rows, "tables, report and all other datasets"]
    rows = [f"{task}: {reason}" for task, reason in study.skipped]
    named = dict.fromkeys(study.tasks[entry.task].dataset.name for entry in study.config.study if entry.when == "named")
    if named:
        rows.append(f"targets that run only when they are named: {', '.join(named)}")
    return rows + (["final models"] if study.config.final else [])


def _disk_mb(study: Study, runs: Sequence[Run], sizes: dict[str, DatasetSize]) -> float:
    """Inputs, rendered images, and what runs leave: histories, predictions, and a repetition's models while it runs."""
    views = {(run.task, study.tasks[run.task].view_of(run.method)) for run in runs if run.shards}
    total = sum(task_size(study, task).inputs * math.prod(_shape_of(study, view)) for task, view in views)
    total += sum(int(size.frames * 40e3) for name, size in sizes.items() if "synthesize" in data_s(study, name, size))
    return (total + sum(len(run.seeds) * 0.3e6 for run in runs)) / 1e6 + 20
