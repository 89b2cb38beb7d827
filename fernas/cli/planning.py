"""What a study will cost, before it starts: jobs, core-hours, disk and memory.

Multiply-accumulates come from the networks themselves; how many a core does per second was measured on two cores of a
2.5 GHz server processor (small networks are bound by launches, not by arithmetic, so these are far below a peak).
Sample counts come from the manifest where the dataset has been read, else from what the renderer will write, else from
the published counts.
"""

import functools
import json
import math
from dataclasses import dataclass
from typing import Any

from fernas.core import plugins
from fernas.core.architecture import Architecture, NamedArchitecture, Network, Patch, PatchesArchitecture
from fernas.core.config import ViewConfig
from fernas.core.seeds import rng
from fernas.study import Dataset, Run, Study
from fernas.workflow.targets import count_jobs

SEARCH_RATE = 8.0e9  # multiply-accumulates per core-second of a supernet step
CELL_RATE = 3.5e9  # of a found network in training
NAMED_RATE = 25e9  # of a network of ordinary convolutions in training
TORCH_JOB_S = 4.0  # core-seconds that a job with torch costs before it works
LIGHT_JOB_S = 2.0
FACE_S = 0.02  # core-seconds per sample: detection, landmarks
FRAME_S = 0.0015  # core-seconds per frame that is rendered, read or summed
JOB_MEMORY_MB = 700


@dataclass(frozen=True)
class TaskSize:
    """How large a task is expected to be."""

    samples: int
    subjects: int
    folds: int
    inputs: int
    frames: int


@dataclass(frozen=True)
class RunCost:
    """Core-seconds of the jobs of one run, start-up included."""

    run: Run
    search_s: float
    train_s: float


def run_costs(study: Study) -> list[RunCost]:
    """What one search and one shard of each run of the study will cost."""
    sizes: dict[tuple[str, str], TaskSize] = {}
    known: dict[str, tuple[float, float]] = {}
    costs = []
    for run in study.runs():
        size = sizes.setdefault((run.task, run.protocol), task_size(study, run.task, run.protocol))
        if not run.shards:
            costs.append(RunCost(run, 0.0, 0.0))
            continue
        classes = study.tasks[run.task].section.classes
        key = repr(
            (run.method, run.scope, run.protocol, size, classes, _view(study, run))
        )  # seeds and names cost the same
        if key not in known:
            slower = 1.0 if study.methods[run.method].budget_from is None else SEARCH_RATE / CELL_RATE
            searched = search_macs(study, run, size) / SEARCH_RATE * slower
            macs, rate = training_macs(study, run, size)
            known[key] = (TORCH_JOB_S + searched, TORCH_JOB_S + macs / rate / run.shards)
        costs.append(RunCost(run, *known[key]))
    return costs


def estimate(study: Study) -> dict[str, Any]:
    """The cost of a study: one row per kind of job, and sums.

    Returns:
        stages (list of {stage, jobs, core_s}), jobs, core_hours, hours_on_2_cores, disk_mb, memory_mb.
    """
    counts = count_jobs(study)
    seconds = dict.fromkeys(counts, 0.0)
    for name, jobs in counts.items():
        seconds[name] = jobs * (TORCH_JOB_S if name in ("search", "train", "predict") else LIGHT_JOB_S)
    sizes = {run.task: task_size(study, run.task, run.protocol) for run in study.runs()}
    for size in sizes.values():
        seconds["synthesize"] += size.frames * FRAME_S * 3
        seconds["align_faces"] += size.samples * FACE_S
        seconds["make_inputs"] += size.frames * FRAME_S
        seconds["audit_dataset"] += size.frames * FRAME_S
    seconds["search"] = seconds["train"] = 0.0
    for cost in run_costs(study):
        run = cost.run
        seconds["search"] += cost.search_s * len(run.searches)
        seconds["train"] += cost.train_s * len(run.all_shards)
    total = sum(seconds.values())
    return {
        "stages": [{"stage": n, "jobs": counts[n], "core_s": round(s, 1)} for n, s in seconds.items() if counts[n]],
        "jobs": sum(counts.values()),
        "core_hours": round(total / 3600, 3),
        "minutes_on_2_cores": round(total / 120, 1),
        "disk_mb": round(_disk_mb(study, sizes), 1),
        "memory_mb_per_job": JOB_MEMORY_MB,
    }


def task_size(study: Study, name: str, protocol_name: str) -> TaskSize:
    """The expected size of a task under a protocol."""
    task, protocol = study.tasks[name].section, study.protocols[protocol_name]
    samples, subjects, frames = _dataset_size(study.tasks[name].dataset)
    plugin = plugins.load("protocols", protocol.kind)
    options = plugin.Config.model_validate(protocol.options)
    folds = getattr(options, "folds", None) or (1 if protocol.kind == "official" else max(2, subjects))
    inputs = samples
    if task.frames.kind == "peak":
        neutral = task.frames.neutral * (subjects if task.frames.neutral_from == "subject" else samples)
        inputs = samples * task.frames.peak + (neutral if "neutral" in task.classes else 0)
    return TaskSize(samples, subjects, int(folds), inputs, frames)


def _dataset_size(dataset: Dataset) -> tuple[int, int, int]:
    """(samples, subjects, frames) of a dataset."""
    if dataset.files.manifest.exists():
        from fernas.core.io import read_parquet

        table = read_parquet(dataset.files.manifest)
        return len(table), max(1, table["subject"].nunique()), int(table["frames"].map(len).sum())
    if dataset.parts:
        sizes = [_dataset_size(part) for part in dataset.members]
        return tuple(sum(column) for column in zip(*sizes, strict=True))  # type: ignore[return-value]
    if dataset.is_rendered:
        return _rendered_size(dataset)
    spec = dataset.spec
    samples = sum(spec.counts.values()) if spec.counts else 500
    return samples, spec.subjects or 1, samples * (1 if spec.kind == "stills" else 60)


def _rendered_size(dataset: Dataset) -> tuple[int, int, int]:
    layout = plugins.load("synth/layouts", dataset.adapter)
    options = layout.Config.model_validate(dataset.section.rendered).model_dump()
    subjects = int(options.get("subjects") or 1)
    per_subject = 1
    if "clips" in options:
        per_subject = sum(options["clips"].values())
    elif "emotions" in options:
        per_subject = len(options["emotions"]) * int(options.get("sequences", 1))
    samples = subjects * per_subject
    if isinstance(options.get("samples"), int):
        samples = options["samples"]
    return samples, subjects, samples * int(options.get("frames", 1))


def _parts(study: Study, run: Run, size: TaskSize) -> tuple[Any, int]:
    """Part sizes of one search, and the number of training images of one fold."""
    from fernas.search.context import PartSizes

    shares = study.protocols[run.protocol].parts
    groups = max(2, study.protocols[run.protocol].groups)
    pool = size.inputs if run.scope in ("whole_dataset", "published") else int(size.inputs * (1 - 1 / groups))
    side = int(size.inputs * (1 - 1 / max(2, size.folds)))
    sizes = PartSizes(
        weights=max(1, int(pool * shares.weights)),
        selection=max(1, int(pool * shares.selection)),
        inner_validation=max(1, int(pool * shares.inner_validation)),
    )
    return sizes, max(1, int(side * (1 - shares.inner_validation)))


def _view(study: Study, run: Run) -> ViewConfig:
    return study.views[study.tasks[run.task].view_of(run.method)]


def _shape(view: ViewConfig) -> tuple[int, int, int]:
    """(channels, height, width) of a view's images."""
    plugin = plugins.load("views", view.kind)
    height, width, channels = plugin.shape(plugin.options(view.options))
    return channels, height, width


def search_macs(study: Study, run: Run, size: TaskSize) -> float:
    """Multiply-accumulates of one search of a run; 0 where the search reads no data."""
    from fernas.search.run import search_budget_macs

    method = study.methods[run.method]
    reference = study.methods[method.budget_from] if method.budget_from else method
    plugin = plugins.load("search", reference.search)
    if not plugin.uses_data or plugin.budget is None:
        return 0.0
    sizes, _ = _parts(study, run, size)
    return search_budget_macs(reference, len(study.tasks[run.task].section.classes), _shape(_view(study, run)), sizes)


def training_macs(study: Study, run: Run, size: TaskSize) -> tuple[float, float]:
    """(multiply-accumulates of all folds of one repetition, multiply-accumulates per core-second)."""
    from fernas.spaces.sampling import random_architecture

    method, classes = study.methods[run.method], len(study.tasks[run.task].section.classes)
    _, images = _parts(study, run, size)
    recipe = plugins.load("training", method.recipe).Config.model_validate(method.recipe_options)
    epochs = int(getattr(recipe, "epochs", 100)) * int(getattr(recipe, "trainings", 1))
    shape = _shape(_view(study, run))
    network = Network(**method.network.at(max(shape[1:])).model_dump(), classes=classes, input=shape)
    architecture: Architecture
    if method.space == "patches":  # patches on a twentieth of the face; what a search finds is about as large
        side = max(4, round(0.22 * shape[1]))
        patch = Patch(dx=0, dy=0, w=side, h=side)
        architecture = PatchesArchitecture(face_px=shape[1], patches=(patch,), network=network)
        rate = CELL_RATE
    elif method.space is not None and method.space in plugins.available("spaces"):
        architecture = random_architecture(method.space, rng(0, "plan", method.space), network)
        rate = CELL_RATE
    else:
        name = str(method.search_options.get("name", "small_cnn"))
        architecture = NamedArchitecture(name=name, network=Network(classes=classes, input=shape))
        rate = NAMED_RATE
    return _macs(architecture.model_dump_json()) * 3 * images * epochs * size.folds, rate


@functools.cache
def _macs(architecture: str) -> float:
    """Multiply-accumulates of a network on one image, from its json; the same networks recur in a study."""
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import macs

    return float(macs(parse_architecture(json.loads(architecture))))


def _disk_mb(study: Study, sizes: dict[str, TaskSize]) -> float:
    inputs = 0.0
    for name, size in sizes.items():
        task = study.tasks[name]
        inputs += size.inputs * float(math.prod(_shape(study.views[task.section.view])))
        if task.is_rendered:
            inputs += size.frames * 40e3
    runs = sum(len(run.seeds) * 0.3e6 for run in study.runs())
    return (inputs + runs) / 1e6 + 20
