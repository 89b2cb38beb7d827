"""Runs of a study: one method on one task under one protocol in one scope."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fernas.core import plugins
from fernas.core.architecture import CellsArchitecture
from fernas.core.config import MethodConfig
from fernas.core.errors import ConfigError
from fernas.study.layout import RunFolder, SearchFolder, ShardFolder, TrainFolder

if TYPE_CHECKING:
    from fernas.study.study import Study


CELLS_LEAK = "the search behind the file's cells saw these subjects"


class Repetition(NamedTuple):
    """One trained repetition of a method in a scope."""

    method: str
    scope: str
    search_seed: int
    train_seed: int


@dataclass(frozen=True)
class Run:
    """One method on one task under one protocol in one scope: a row of the comparison.

    Attributes:
        task, protocol, method: names in the config.
        scope: what a search may see.
        fold_groups: how many searches a search seed needs; 0 for an ensemble.
        shards: how many jobs train one repetition; 0 for an ensemble.
        search_seeds, train_seeds: how many.
        is_rendered: whether its faces are synthetic.
        files: its folder, and those of its searches and repetitions.
        task_folder: the folder of its task.
    """

    task: str
    protocol: str
    method: str
    scope: str
    fold_groups: int
    shards: int
    search_seeds: int
    train_seeds: int
    is_rendered: bool
    files: RunFolder
    task_folder: Path

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.files.path

    @property
    def seeds(self) -> list[tuple[int, int]]:
        """All (search seed, training seed) pairs."""
        return [(s, t) for s in range(self.search_seeds) for t in range(self.train_seeds)]

    def search_folder(self, search_seed: int | str, fold_group: int | str) -> SearchFolder:
        """The folder of one search."""
        return self.files.search(search_seed, fold_group)

    def train_folder(self, search_seed: int | str, train_seed: int | str) -> TrainFolder:
        """The folder of one trained and scored repetition."""
        return self.files.train(search_seed, train_seed)

    def shard_folder(self, search_seed: int | str, train_seed: int | str, shard: int) -> ShardFolder:
        """The folder of one shard of folds."""
        return self.train_folder(search_seed, train_seed).shard(shard)

    @property
    def searches(self) -> list[SearchFolder]:
        """The folders of all searches."""
        return [self.search_folder(s, g) for s in range(self.search_seeds) for g in range(self.fold_groups)]

    @property
    def repetitions(self) -> list[TrainFolder]:
        """The folders of all trained repetitions."""
        return [self.train_folder(s, t) for s, t in self.seeds]

    @property
    def all_shards(self) -> list[ShardFolder]:
        """The folders of the shards of all trained repetitions."""
        return [folder.shard(shard) for folder in self.repetitions for shard in range(self.shards)]


def scopes_of(study: "Study", method: str) -> tuple[str, ...]:
    """The scopes of a method; a method whose search reads no data has one, `no_data`."""
    section = study.methods[method]
    # a method that takes its size from a search depends on what that search saw
    if section.combine or section.params_from is not None or plugins.load("search", section.search).uses_data:
        return tuple(section.scopes)
    return ("no_data",)


def cells_of(study: "Study", method: str) -> CellsArchitecture | None:
    """The cells that a method brings along in a file; None for methods that search, or take them from another run."""
    section = study.methods[method]
    plugin = None if section.combine else plugins.load("search", section.search)
    if plugin is None or plugin.architecture is None:
        return None
    cells: CellsArchitecture = plugin.architecture(plugin.Config.model_validate(section.search_options))
    return cells


def cells_outside(study: "Study", task: str, protocol: str, method: str) -> tuple[str, str]:
    """What the search behind a method's cells of a file saw, as texts: (beyond the task's dataset, of its test split).

    Both are empty for other methods. Synthetic faces were never searched on, so that nothing of them leaks.
    """
    cells = cells_of(study, method)
    if cells is None:
        return "", ""
    if cells.origin is None:
        return "cells of a file that names no dataset", ""
    dataset, origin = study.tasks[task].dataset, cells.origin
    is_same = any(member.adapter == origin.dataset for member in dataset.members) and not dataset.is_rendered
    extra = "" if is_same else f"cells searched on {origin.dataset}"
    # the official train split is what the search saw: its test split is as new as after a search of ours
    is_clean = is_same and not origin.test_split and study.protocols[protocol].kind == "official"
    if dataset.is_rendered or is_clean or not dataset.shows_people_of(origin.dataset):
        return extra, ""
    return extra, f"{CELLS_LEAK}: {origin.dataset}{', its test split included' if origin.test_split else ''}"


def fold_groups_of(study: "Study", protocol: str, scope: str) -> int:
    """How many searches a scope needs under a protocol, for one search seed.

    Raises:
        ConfigError: the scope is per fold and the protocol does not say how many folds it has.
    """
    # one architecture serves all folds
    if scope in ("no_data", "whole_dataset", "whole_matched", "published"):
        return 1
    section = study.protocols[protocol]
    if scope == "per_group":
        return section.groups
    if section.fold_count is None:
        raise ConfigError(
            f"protocols.{protocol}.fold_count: missing, expected the number of folds (scope per_fold needs it)"
        )
    return section.fold_count


def members_of(study: "Study", method: str, scope: str) -> list[Repetition]:
    """Everything that an ensemble combines in a scope.

    Raises:
        ConfigError: a member is not run in this scope.
    """
    members = []
    for name in study.methods[method].combine:
        member = study.methods[name]
        scopes = scopes_of(study, name)
        if scope not in scopes and scopes != ("no_data",):
            raise ConfigError(f"methods.{method}: combines {name}, which is not run in scope {scope}")
        # a member that searches on no data has one run, which serves every scope
        shared = scope if scope in scopes else "no_data"
        members += [
            Repetition(name, shared, s, t) for s in range(member.search_seeds) for t in range(member.train_seeds)
        ]
    return members


def extra_data(method: MethodConfig) -> str | bool:
    """What a method uses beyond its dataset: the text of `trained_on`, else whether it does."""
    return str(method.recipe_options.get("trained_on") or "") or method.extra_data
