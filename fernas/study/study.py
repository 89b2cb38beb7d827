"""The study: a config with its datasets, tasks and runs as objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from fernas.core.config import MethodConfig, ProtocolConfig, StudyConfig, ViewConfig, parse_yaml, validate_section
from fernas.core.errors import ConfigError, unknown
from fernas.study.checks import check_study, misfit
from fernas.study.datasets import Dataset
from fernas.study.layout import ResultsLayout
from fernas.study.runs import (
    Run,
    ancestors_of,
    cells_of,
    cells_outside,
    fold_groups_of,
    members_of,
    scopes_of,
)
from fernas.study.tasks import Task

Value = TypeVar("Value")


def refuse_repeated_keys(text: str, where: str) -> None:
    """A ConfigError where a mapping of a yaml text has a key twice, of which yaml would take the last in silence."""
    try:
        nodes = [yaml.compose(text, yaml.SafeLoader)]
    except (yaml.YAMLError, RecursionError):  # said by who reads it
        return
    seen: set[int] = set()
    while nodes:
        node = nodes.pop()
        if node is None or id(node) in seen:  # an anchor is one node, however often it is used
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if isinstance(key, yaml.ScalarNode) and name in lines:
                raise ConfigError(f"{where}: {name}: stands in line {lines[name]} and in line {line}, expected once")
            lines[name] = line
            nodes.append(value)


class Named(dict[str, Value]):
    """Entries of the config by name; an unknown name is a ConfigError that tells the nearest known one."""

    def __init__(self, section: str, entries: dict[str, Value]) -> None:
        super().__init__(entries)
        self.section = section

    def __missing__(self, name: str) -> Value:
        raise unknown(self.section, name, self)


@dataclass(frozen=True)
class Study:
    """A study: what its config says, and what follows from it.

    Made by `Study.load`, `Study.parse` or `Study.of`. Nothing here reads or writes results.
    """

    config: StudyConfig = field(repr=False)
    results: Path

    @classmethod
    def load(cls, path: Path | str) -> "Study":
        """Read and check a config file; a ConfigError names the key, what it holds and what is expected."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
        refuse_repeated_keys(text, str(path))
        return cls.parse(parse_yaml(text, str(path)), str(path))

    @classmethod
    def parse(cls, document: Any, where: str = "config.yaml") -> "Study":
        """Check a config document (a mapping as yaml gives it)."""
        if not isinstance(document, dict):
            raise ConfigError(f"{where}: expected a mapping of sections, got {type(document).__name__}")
        study = cls.of(validate_section(StudyConfig, document, where))
        check_study(study, where)
        return study

    @classmethod
    def of(cls, config: StudyConfig) -> "Study":
        """The study of a config that was checked before, as jobs get it."""
        return cls(config, Path(config.results))

    def at(self, results: Path | str) -> "Study":
        """The same study with another results folder."""
        return replace(self, results=Path(results))

    @cached_property
    def layout(self) -> ResultsLayout:
        """Where its results lie."""
        return ResultsLayout(self.results)

    @cached_property
    def datasets(self) -> Named[Dataset]:
        """Its datasets by name."""
        return Named("datasets", {name: Dataset(self, name, part) for name, part in self.config.datasets.items()})

    @cached_property
    def tasks(self) -> Named[Task]:
        """Its tasks by name."""
        return Named("tasks", {name: Task(self, name, part) for name, part in self.config.tasks.items()})

    @cached_property
    def views(self) -> Named[ViewConfig]:
        """The sections of its views by name."""
        return Named("views", self.config.views)

    @cached_property
    def protocols(self) -> Named[ProtocolConfig]:
        """The sections of its protocols by name."""
        return Named("protocols", self.config.protocols)

    @cached_property
    def methods(self) -> Named[MethodConfig]:
        """The sections of its methods by name."""
        return Named("methods", self.config.methods)

    def dataset_of(self, folder: str) -> Dataset:
        """The dataset of a folder name under results/data."""
        return Named("dataset", {dataset.folder: dataset for dataset in self.datasets.values()})[folder]

    def task_of(self, folder: str) -> Task:
        """The task of a folder name under results/tasks and results/runs."""
        return Named("task", {task.folder: task for task in self.tasks.values()})[folder]

    def same_people(self, datasets: Iterable[str]) -> dict[str, list[str]]:
        """Dataset -> those of the others that share subjects with it, by their adapters or by the config."""
        every = [self.datasets[name] for name in datasets]
        return {
            one.name: [other.name for other in every if one.name != other.name and one.same_people(other)]
            for one in every
        }

    def misfit(self, task: str, method: str) -> str | None:
        """Why a method makes no sense on a task; None where it does."""
        return misfit(self, self.tasks[task], method)

    scopes_of = scopes_of
    fold_groups_of = fold_groups_of
    members_of = members_of
    cells_of = cells_of
    cells_outside = cells_outside
    ancestors_of = ancestors_of

    def runs(self, dataset: str | None = None, named: bool = False) -> Iterator[Run]:
        """All runs whose datasets have roots, or those of one dataset.

        Entries that run only when their dataset is named are left out unless it is, or `named` asks for them too.
        """
        for entry in self.config.study:
            task = self.tasks[entry.task]
            if dataset is not None and task.dataset.name != dataset:
                continue
            if entry.when == "named" and dataset is None and not named:
                continue
            # a study runs on those of its datasets that are there
            if not task.dataset.missing_roots:
                for method in entry.methods:
                    for scope in self.scopes_of(method):
                        yield self.run(entry.task, entry.protocol, method, scope)

    def run(self, task: str, protocol: str, method: str, scope: str) -> Run:
        """One run, by names of the config; it need not be listed."""
        # an ensemble has no searches and no shards of its own
        section, trained = self.methods[method], not self.methods[method].combine
        return Run(
            task=task, protocol=protocol, method=method, scope=scope,
            fold_groups=self.fold_groups_of(protocol, scope) if trained else 0,
            shards=self.protocols[protocol].shards if trained else 0, search_seeds=section.search_seeds,
            train_seeds=section.train_seeds, is_rendered=self.tasks[task].is_rendered,
            files=self.layout.run(self.tasks[task].folder, protocol, method, scope),
            task_folder=self.tasks[task].files.path,
        )  # fmt: skip

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(task, reason) for tasks of the study whose datasets have no root."""
        rows = []
        # entries that run only when they are named are not missed
        for name in dict.fromkeys(entry.task for entry in self.config.study if entry.when == "all"):
            missing = self.tasks[name].dataset.missing_roots
            if missing:
                rows.append((name, f"datasets.{', datasets.'.join(missing)}: source is real and root is not set"))
        return rows
