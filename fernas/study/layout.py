"""Where everything lies below a results folder: each path is spelled here, once, for rules and Python alike.

Names may be wildcards of the workflow (`layout.dataset("{data}").manifest` is a pattern).
"""

import os
from dataclasses import dataclass
from pathlib import Path

RENDERED = "-rendered"  # ends the folder names of synthetic faces, so that they never mix with real ones


class File:
    """A file of a `Folder`: read on an instance it is the file's path."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: "Folder", owner: type | None = None) -> Path:
        """The path of the file."""
        return folder.path / self.name


@dataclass(frozen=True, order=True)
class Folder:
    """A folder below results whose files are attributes; `os.fspath`, `Path(...)` and `/` take it as a path."""

    path: Path

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name


def files_of(folder: Folder) -> list[Path]:
    """The paths of all files of a folder."""
    return [folder.path / file.name for file in vars(type(folder)).values() if isinstance(file, File)]


class RenderedFolder(Folder):
    """`rendered/<dataset>`: synthetic faces in the dataset's real layout on disk."""

    root = File("dataset")
    truth = File("truth.json")  # what the renderer knows about each sample


class DatasetFolder(Folder):
    """`data/<dataset>`: a dataset that was read, audited and aligned."""

    manifest = File("manifest.parquet")
    audit = File("audit.json")
    groups = File("groups.parquet")  # demographic groups of the samples
    faces = File("faces.parquet")
    previews = File("previews.npy")
    card = File("card.md")


class InputsFolder(Folder):
    """`tasks/<task>/<view>`: what networks see."""

    inputs = File("inputs.npy")
    table = File("inputs.parquet")


class FoldsFolder(Folder):
    """`tasks/<task>/<protocol>`: the folds of a task under a protocol."""

    train = File("folds.train.json")
    test = File("folds.test.json")  # read by predictions alone
    audit = File("audit.json")


class TaskFolder(Folder):
    """`tasks/<task>`: its samples, and a folder per view and per protocol."""

    samples = File("samples.parquet")

    def inputs(self, view: str) -> InputsFolder:
        """The folder of a view."""
        return InputsFolder(self.path / view)

    def folds(self, protocol: str) -> FoldsFolder:
        """The folder of a protocol's folds."""
        return FoldsFolder(self.path / protocol)


class SearchFolder(Folder):
    """`runs/.../s<search seed>/g<fold group>`: one search."""

    architecture = File("architecture.json")
    history = File("search.jsonl")
    metrics = File("metrics.jsonl")  # what the mirror reads
    drawing = File("cell.svg")
    cost = File("cost.json")
    status = File("status.json")


class ShardFolder(Folder):
    """`runs/.../s<search seed>/t<training seed>/shard<j>`: the training of one shard of folds."""

    models = File("models.safetensors")
    history = File("training.jsonl")
    metrics = File("metrics.jsonl")
    cost = File("cost.json")
    status = File("status.json")


class TrainFolder(Folder):
    """`runs/.../s<search seed>/t<training seed>`: one trained and scored repetition."""

    predictions = File("predictions.parquet")
    scores = File("scores.json")
    status = File("status.json")

    def shard(self, number: int | str) -> ShardFolder:
        """The folder of one shard of folds."""
        return ShardFolder(self.path / f"shard{number}")


class RunFolder(Folder):
    """`runs/<task>/<protocol>/<method>/<scope>`: one row of the comparison."""

    def search(self, search_seed: int | str, fold_group: int | str) -> SearchFolder:
        """The folder of one search."""
        return SearchFolder(self.path / f"s{search_seed}" / f"g{fold_group}")

    def train(self, search_seed: int | str, train_seed: int | str) -> TrainFolder:
        """The folder of one trained repetition."""
        return TrainFolder(self.path / f"s{search_seed}" / f"t{train_seed}")


class FinalFolder(Folder):
    """`final/<task>/<protocol>/<method>`: a model on all subjects, for use."""

    model = File("model.safetensors")
    architecture = File("architecture.json")
    preprocessing = File("preprocessing.json")
    card = File("card.json")


class ReportFolder(Folder):
    """`report`: the report in HTML and what its links open."""

    index = File("index.html")


class WorkFolder(Folder):
    """`.work`: checkpoints, and what processes tell each other; nothing here is a result."""

    owner = File("snakemake.json")  # which Snakemake runs in this folder
    tracker = File("track.pid")  # the process that mirrors results into MLflow
    stop = File("track.stop")  # asks that process to finish


class ResultsLayout(Folder):
    """The results folder itself."""

    comparison = File("comparison.csv")
    comparison_markdown = File("comparison.md")
    tables = File("tables")
    drawings = File("tables/drawings")
    benchmarks = File("benchmarks.json")
    mlflow = File("mlflow.db")
    logs = File("logs")
    all_rendered = File("rendered")
    all_data = File("data")
    all_tasks = File("tasks")
    all_runs = File("runs")

    def rendered(self, dataset: str) -> RenderedFolder:
        """The synthetic faces of a dataset, by its name in the config."""
        return RenderedFolder(self.all_rendered / dataset)

    def dataset(self, folder: str) -> DatasetFolder:
        """A dataset, by its folder name."""
        return DatasetFolder(self.all_data / folder)

    def task(self, folder: str) -> TaskFolder:
        """A task, by its folder name."""
        return TaskFolder(self.all_tasks / folder)

    def run(self, task_folder: str, protocol: str, method: str, scope: str) -> RunFolder:
        """A method on a task under a protocol in a scope."""
        return RunFolder(self.all_runs / task_folder / protocol / method / scope)

    def final(self, task_folder: str, protocol: str, method: str) -> FinalFolder:
        """A model on all subjects."""
        return FinalFolder(self / "final" / task_folder / protocol / method)

    @property
    def report(self) -> ReportFolder:
        """The report."""
        return ReportFolder(self / "report")

    @property
    def work(self) -> WorkFolder:
        """The working folder."""
        return WorkFolder(self / ".work")


def plain_name(folder: str) -> str:
    """The name of a dataset or a task without the suffix of synthetic faces."""
    return folder.removesuffix(RENDERED)


def folder_name(name: str, is_rendered: bool) -> str:
    """The folder name of a dataset or a task."""
    return name + RENDERED if is_rendered else name
