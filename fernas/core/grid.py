"""What runs: the study's grid of runs, their paths, and the targets of the workflow; pure functions of the config."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fernas.core import composites, plugins
from fernas.core.config import MethodConfig, ProtocolConfig, StudyConfig, TaskConfig
from fernas.core.errors import ConfigError, unknown

RENDERED = "-rendered"
DATASET_TARGETS = (
    "ckplus", "ck48", "mug", "ised", "disfa", "oulu", "fer2013", "rafdb", "jaffe",
    "casme", "casme2", "casme_sq", "samm", "smic", "megc2019",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One method on one task under one protocol in one scope: a row of the comparison."""

    task: str
    protocol: str
    method: str
    scope: str
    groups: int
    shards: int
    search_seeds: int
    train_seeds: int
    folder: Path
    task_folder: Path
    rendered: bool

    def search_folder(self, search_seed: int, group: int) -> Path:
        """The folder of one search."""
        return self.folder / f"s{search_seed}" / f"g{group}"

    def train_folder(self, search_seed: int, train_seed: int) -> Path:
        """The folder of one trained and scored repetition."""
        return self.folder / f"s{search_seed}" / f"t{train_seed}"

    def shard_folder(self, search_seed: int, train_seed: int, shard: int) -> Path:
        """The folder of one shard of folds."""
        return self.train_folder(search_seed, train_seed) / f"shard{shard}"

    @property
    def seeds(self) -> list[tuple[int, int]]:
        """All (search seed, training seed) pairs."""
        return [(s, t) for s in range(self.search_seeds) for t in range(self.train_seeds)]


def data_name(config: StudyConfig, dataset: str) -> str:
    """The folder name of a dataset under results/data."""
    return dataset + (RENDERED if composites.is_rendered(config, dataset) else "")


def task_name(config: StudyConfig, task: str) -> str:
    """The folder name of a task under results/tasks and results/runs."""
    return task + (RENDERED if composites.is_rendered(config, config.tasks[task].dataset) else "")


def plain_name(folder: str) -> str:
    """The name of a dataset or a task without the rendered suffix."""
    return folder.removesuffix(RENDERED)


def dataset_root(config: StudyConfig, dataset: str) -> str:
    """The root folder of a dataset: rendered below results, or the configured root of the real copy."""
    if composites.is_rendered(config, dataset):
        return f"{config.results}/rendered/{dataset}/dataset"
    root = config.datasets[dataset].root
    if root is None:
        raise ConfigError(f"datasets.{dataset}.root: missing, expected the folder of your copy (source is real)")
    return root


def roots_of(config: StudyConfig, dataset: str) -> dict[str, str]:
    """Dataset -> root, for all datasets whose frames a dataset reads."""
    return {source: dataset_root(config, source) for source in composites.sources_of(config, dataset)}


def missing_roots(config: StudyConfig, dataset: str) -> list[str]:
    """The real datasets that a dataset needs and that have no root in the config."""
    sources = composites.sources_of(config, dataset)
    return [s for s in sources if not composites.is_rendered(config, s) and config.datasets[s].root is None]


def groups_of(method: MethodConfig, protocol: ProtocolConfig, scope: str, name: str = "") -> int:
    """How many searches a scope needs."""
    if scope in ("no_data", "whole_dataset", "whole_matched", "published"):
        return 1
    if scope == "per_group":
        return protocol.groups
    if protocol.fold_count is None:
        raise ConfigError(
            f"protocols.{name}.fold_count: missing, expected the number of folds (scope per_fold needs it)"
        )
    return protocol.fold_count


def view_of(config: StudyConfig, task: str, method: str) -> str:
    """The view that a method's networks see on a task: its own, or the task's."""
    return config.methods[method].view or config.tasks[task].view


def extra_data(method: MethodConfig) -> str | bool:
    """What a method uses beyond its dataset: the text of `trained_on`, else whether it does."""
    return str(method.recipe_options.get("trained_on") or "") or method.extra_data


def views_of(config: StudyConfig, task: str) -> list[str]:
    """All views of a task that the study needs: its own, which decides the samples, and those of methods."""
    methods = [name for entry in config.study if entry.task == task for name in entry.methods]
    return list(dict.fromkeys([config.tasks[task].view, *(view_of(config, task, name) for name in methods)]))


def member_runs(config: StudyConfig, method: str, scope: str) -> list[tuple[str, str, int, int]]:
    """(method, scope, search seed, training seed) of everything that an ensemble combines in a scope."""
    found = []
    for member in config.methods[method].combine:
        settings = config.methods[member]
        scopes = scopes_of(settings)
        if scope not in scopes and scopes != ("no_data",):
            raise ConfigError(f"methods.{method}: combines {member}, which is not run in scope {scope}")
        own = scope if scope in scopes else "no_data"
        found += [(member, own, s, t) for s in range(settings.search_seeds) for t in range(settings.train_seeds)]
    return found


def scopes_of(method: MethodConfig) -> tuple[str, ...]:
    """The scopes of a method; a method whose search reads no data has one, `no_data`."""
    if method.combine:
        return tuple(method.scopes)
    from_data = plugins.load("search", method.search).uses_data or method.params_from is not None
    return tuple(method.scopes) if from_data else ("no_data",)


def runs(config: StudyConfig, dataset: str | None = None, named: bool = False) -> Iterator[Run]:
    """All runs of the study whose datasets have roots, or those of one dataset (which must have its roots).

    Entries that run only when their dataset is named are left out unless it is, or `named` asks for them too.
    """
    for entry in config.study:
        task = config.tasks[entry.task]
        if dataset is not None and task.dataset != dataset:
            continue
        if entry.when == "named" and dataset is None and not named:
            continue
        if missing_roots(config, task.dataset):
            continue
        for method_name in entry.methods:
            yield from _runs_of(config, entry.task, task, entry.protocol, method_name)


def _runs_of(
    config: StudyConfig, task_key: str, task: TaskConfig, protocol_name: str, method_name: str
) -> Iterator[Run]:
    method, protocol = config.methods[method_name], config.protocols[protocol_name]
    name = task_name(config, task_key)
    results = Path(config.results)
    for scope in scopes_of(method):
        yield Run(
            task=task_key,
            protocol=protocol_name,
            method=method_name,
            scope=scope,
            groups=0 if method.combine else groups_of(method, protocol, scope, protocol_name),
            shards=0 if method.combine else protocol.shards,
            search_seeds=method.search_seeds,
            train_seeds=method.train_seeds,
            folder=results / "runs" / name / protocol_name / method_name / scope,
            task_folder=results / "tasks" / name,
            rendered=composites.is_rendered(config, task.dataset),
        )


def skipped(config: StudyConfig) -> list[tuple[str, str]]:
    """(task, reason) for tasks of the study whose datasets have no root."""
    found = []
    for task in dict.fromkeys(entry.task for entry in config.study if entry.when == "all"):
        missing = missing_roots(config, config.tasks[task].dataset)
        if missing:
            found.append((task, f"datasets.{', datasets.'.join(missing)}: source is real and root is not set"))
    return found


def score_files(config: StudyConfig, dataset: str | None = None) -> list[str]:
    """The scores.json of all runs of the study, or of one dataset."""
    return [str(run.train_folder(s, t) / "scores.json") for run in runs(config, dataset) for s, t in run.seeds]


def more_targets(config: StudyConfig) -> list[str]:
    """The datasets of a config that have no target rule of their own: those that it named itself."""
    return [name for name in config.datasets if name not in DATASET_TARGETS]


def search_files(config: StudyConfig, name: str) -> list[str]:
    """A file of every search of the study."""
    found = []
    for run in runs(config):
        found += [str(run.search_folder(s, g) / name) for s in range(run.search_seeds) for g in range(run.groups)]
    return found


def shard_files(config: StudyConfig, name: str) -> list[str]:
    """A file of every shard of every trained repetition of the study."""
    found = []
    for run in runs(config):
        found += [str(run.shard_folder(s, t, j) / name) for s, t in run.seeds for j in range(run.shards)]
    return found


def record_files(config: StudyConfig) -> list[str]:
    """What tables read beside scores: the architecture of every search and the status of every shard of the study."""
    return search_files(config, "architecture.json") + shard_files(config, "status.json")


def dataset_target(config: StudyConfig, dataset: str) -> list[str]:
    """What a dataset's own target asks for; a ConfigError when it cannot run."""
    if dataset not in config.datasets:
        raise unknown("config.yaml: datasets", dataset, config.datasets)
    missing = missing_roots(config, dataset)
    if missing:
        raise ConfigError(
            f"config.yaml: datasets.{missing[0]}.root: missing, expected the folder of your copy "
            f"(the target {dataset} was asked for and its source is real)"
        )
    files = score_files(config, dataset)
    if not files:
        raise ConfigError(f"config.yaml: study: no entry has a task of {dataset}; add one to run this target")
    return files


def count_jobs(config: StudyConfig) -> dict[str, int]:
    """Jobs per rule that the whole study needs."""
    grid = list(runs(config))
    tasks = {(run.task, run.protocol) for run in grid}
    data = {config.tasks[task].dataset for task, _ in tasks}
    sources = {source for dataset in data for source in composites.sources_of(config, dataset)}
    every = data | sources
    return {
        "synthesize": sum(composites.is_rendered(config, s) for s in sources),
        "build_manifest": len(every),
        "audit_dataset": len(every),
        "align_faces": len(every),
        "make_inputs": sum(len(views_of(config, task)) for task in {task for task, _ in tasks}),
        "make_folds": len(tasks),
        "audit_folds": len(tasks),
        "search": sum(run.groups * run.search_seeds for run in grid),
        "train": sum(run.shards * len(run.seeds) for run in grid),
        "predict": sum(len(run.seeds) for run in grid if run.shards),
        "combine": sum(len(run.seeds) for run in grid if not run.shards),
        "score": sum(len(run.seeds) for run in grid),
        "compare": 1,
        "report": 1,
    }
