"""How many samples a study's tasks will have: read where a manifest is there, else rendered or published counts."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fernas.core import plugins
from fernas.protocols.counts import Counts
from fernas.study import Dataset, Study

if TYPE_CHECKING:
    import pandas as pd

ASSUMED_SAMPLES = 500  # of a real dataset whose number of samples nobody has published
FRAMES = {"stills": 1, "sequences": 20, "clips": 60}  # of a sample of a real dataset


@dataclass(frozen=True)
class DatasetSize:
    """How large a dataset is expected to be.

    Attributes:
        classes: dataset -> class -> number of samples, for each of its parts; class "" where classes are not known.
        subjects: number of subjects; of samples where no subjects are named.
        frames: frames of all samples.
        known: whether it was read, or its counts are published or follow from the renderer's options.
    """

    classes: Mapping[str, Mapping[str, int]]
    subjects: int
    frames: int
    known: bool = True

    @property
    def samples(self) -> int:
        """Samples of all parts."""
        return sum(sum(counts.values()) for counts in self.classes.values())


@dataclass(frozen=True)
class TaskSize:
    """How large a task is expected to be: its inputs, and what protocols count."""

    inputs: int
    counts: Counts


def dataset_size(dataset: Dataset) -> DatasetSize:
    """The expected size of a dataset, with the samples that tasks leave out."""
    if dataset.files.manifest.exists():
        table = _read(dataset)
        found = {str(name): _count(part["label"]) for name, part in table.groupby("dataset")}
        return DatasetSize(found, _units(table), int(table["frames"].map(len).sum()))
    if dataset.parts:
        return _composite_size(dataset)
    if dataset.is_rendered:
        return _rendered_size(dataset)
    spec = dataset.spec
    samples = sum(spec.counts.values()) or ASSUMED_SAMPLES
    classes: dict[str, Mapping[str, int]] = {dataset.name: dict(spec.counts) or {"": samples}}
    return DatasetSize(classes, spec.subjects or samples, samples * FRAMES[spec.kind], bool(spec.counts))


def task_size(study: Study, name: str) -> TaskSize:
    """The expected size of a task: its own classes, frames and datasets."""
    task = study.tasks[name]
    dataset, section = task.dataset, task.section
    splits = {} if dataset.spec is None else dict(dataset.spec.splits)
    if dataset.files.manifest.exists():
        from fernas.datasets.tasks import task_samples

        samples = task_samples(_read(dataset), section)
        counts = Counts(_units(samples), _count(samples["dataset"]), _count(samples["split"].dropna()))
        return TaskSize(len(samples), counts)
    size = dataset_size(dataset)
    label_of = {**{label: label for label in section.classes}, **section.label_map, "": ""}
    rows = {part: sum(n for c, n in counts.items() if c in label_of) for part, counts in size.classes.items()}
    per_row, per_subject = 1, 0
    if section.frames.kind == "peak" and max(size.frames, 1) > size.samples:  # of stills the one image is taken
        per_row = section.frames.peak
        if "neutral" in section.classes:
            by_subject = section.frames.neutral_from == "subject"
            per_row += 0 if by_subject else section.frames.neutral
            per_subject = section.frames.neutral if by_subject else 0
    inputs = per_row * sum(rows.values()) + per_subject * size.subjects
    return TaskSize(inputs, Counts(size.subjects, {part: per_row * n for part, n in rows.items()}, splits))


def _count(values: "pd.Series") -> dict[str, int]:
    return {str(value): int(number) for value, number in values.value_counts().items()}


def _units(table: "pd.DataFrame") -> int:
    """Number of subjects, or of what stands for them in datasets without: sequences."""
    return int(table["subject"].fillna(table["group"]).fillna(table["sample_id"]).nunique())


@functools.cache
def _manifest(path: str, changed_ns: int) -> "pd.DataFrame":
    from fernas.core.io import read_parquet

    return read_parquet(path)


def _read(dataset: Dataset) -> "pd.DataFrame":
    path = dataset.files.manifest
    return _manifest(str(path), path.stat().st_mtime_ns)


def _composite_size(dataset: Dataset) -> DatasetSize:
    """The sum of its parts, or its own published counts."""
    sizes = {member.name: dataset_size(member) for member in dataset.members}
    subjects, frames = (sum(getattr(size, name) for size in sizes.values()) for name in ("subjects", "frames"))
    classes: dict[str, Mapping[str, int]] = {name: size.classes[name] for name, size in sizes.items()}
    spec = dataset.spec
    if spec is not None:  # a challenge names its classes itself: `labels` says "part: raw label" -> class
        classes = {part: _renamed(counts, part, spec.labels) for part, counts in classes.items()}
        if not dataset.is_rendered and spec.counts:
            total = sum(sum(counts.values()) for counts in classes.values())
            share = sum(spec.counts.values()) / max(1, total)
            classes = {part: {c: round(n * share) for c, n in counts.items()} for part, counts in classes.items()}
            subjects = spec.subjects or subjects
    return DatasetSize(classes, subjects, frames, all(size.known for size in sizes.values()))


def _renamed(counts: Mapping[str, int], part: str, labels: Mapping[str, str]) -> dict[str, int]:
    renamed: dict[str, int] = {}
    for name, count in counts.items():
        label = labels.get(f"{part}: {name}")
        if label is not None:
            renamed[label] = renamed.get(label, 0) + count
    return renamed


def _rendered_size(dataset: Dataset) -> DatasetSize:
    """What the renderer will write."""
    layout = plugins.load("synth/layouts", dataset.adapter)
    options = layout.Config.model_validate(dataset.section.rendered)
    classes = layout.count(options)
    samples = sum(classes.values())
    subjects = getattr(options, "subjects", samples)  # without named subjects each sample stands alone
    frames = 1 if dataset.spec.kind == "stills" else getattr(options, "frames", 1)
    return DatasetSize({dataset.name: classes}, subjects, samples * frames)
