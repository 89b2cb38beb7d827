"""Runs of a study: one method on one task under one protocol in one scope."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fernas.core import plugins
from fernas.core.architecture import CellsArchitecture
from fernas.core.errors import ConfigError
from fernas.study.layout import RunFolder, SearchFolder, ShardFolder, TrainFolder

if TYPE_CHECKING:
    from fernas.study.study import Study


CELLS_LEAK = "the search behind the file's cells saw these subjects"
SCOPE_LEAKS = {
    "whole_matched": "search saw test subjects (as many subjects as the pool of a fold group)",
    "whole_dataset": "search saw the test subjects",
    "published": "search pools as published, by position",
}


class Repetition(NamedTuple):
    """One trained repetition of a method in a scope."""

    method: str
    scope: str
    search_seed: int
    train_seed: int


class Ancestor(NamedTuple):
    """A run on which another one builds: it gave its architecture, weights, size or predictions, or its ancestor did.

    Attributes:
        task, protocol, method, scope: which run.
        same_folds: every step to it stays within one task and protocol, so that fold k builds on fold k alone.
        steps: the runs between the two, nearest first, as `method on task`.
    """

    task: str
    protocol: str
    method: str
    scope: str
    same_folds: bool
    steps: tuple[str, ...]


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
    cells: CellsArchitecture | None = _of_search(study, method, "architecture")
    return cells


def _of_search(study: "Study", method: str, hook: str) -> Any:
    """What a hook of a method's search plug-in says of its options; None for ensembles and plug-ins without it."""
    section = study.methods[method]
    if section.combine:
        return None
    plugin = plugins.load("search", section.search)
    says = getattr(plugin, hook)
    return None if says is None else says(plugin.Config.model_validate(section.search_options))


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


def ancestors_of(study: "Study", task: str, protocol: str, method: str, scope: str) -> list[Ancestor]:
    """Every run on which a run builds by `init_from`, `params_from` and `combine`, over any number of steps."""
    found: dict[tuple[str, ...], Ancestor] = {}

    def visit(run: tuple[str, str, str, str], same_folds: bool, steps: tuple[str, ...]) -> None:
        for other in _builds_on(study, *run):
            if other not in found:
                same = same_folds and other[:2] == (task, protocol)
                found[other] = Ancestor(*other, same, steps)
                visit(other, same, (*steps, f"{other[2]} on {other[0]}"))

    visit((task, protocol, method, scope), True, ())
    return list(found.values())


def _builds_on(study: "Study", task: str, protocol: str, method: str, scope: str) -> list[tuple[str, str, str, str]]:
    """(task, protocol, method, scope) of the runs on which a run builds directly."""
    section = study.methods[method]
    if section.combine:
        members = members_of(study, method, scope)
        return [(task, protocol, *pair) for pair in dict.fromkeys((m.method, m.scope) for m in members)]
    direct = [] if section.params_from is None else [(task, protocol, section.params_from, scope)]
    if (source := section.init_from) is not None:
        direct.append((source.task, source.protocol, source.method, source.scope))
    return direct


def inherited_leaks(study: "Study", task: str, protocol: str, method: str, scope: str) -> list[str]:
    """What searches elsewhere saw of the test subjects: behind a run's cells of a file, or of the runs it builds on."""
    own = cells_outside(study, task, protocol, method)[1]
    texts = [own] if own else []
    for other in ancestors_of(study, task, protocol, method, scope):
        # its own scope says the same already
        if other.task == task and other.scope in SCOPE_LEAKS and other.scope != scope:
            texts.append(f"{other.method}: {SCOPE_LEAKS[other.scope]}")
        if leak := cells_outside(study, task, protocol, other.method)[1]:
            texts.append(f"{other.method}: {leak}")
    return texts


def replicas(study: "Study", task: str, protocol: str, method: str, scope: str) -> list[str]:
    """What a run's own search, and those of the runs it builds on, copy of released code by an option."""
    others = ancestors_of(study, task, protocol, method, scope)
    texts = []
    for name in dict.fromkeys((method, *(other.method for other in others))):
        if note := _of_search(study, name, "replica"):
            texts.append(note if name == method else f"{name}: {note}")
    return texts


def extra_data(study: "Study", task: str, protocol: str, method: str, scope: str) -> str | bool:
    """What a run uses beyond its dataset, itself or by a run it builds on: the names of the data, else whether."""
    others = ancestors_of(study, task, protocol, method, scope)
    names = (method, *(other.method for other in others))
    methods = [study.methods[name] for name in names]
    named = [str(section.recipe_options.get("trained_on") or "") for section in methods]
    named += [cells_outside(study, task, protocol, name)[0] for name in names]
    dataset = study.tasks[task].dataset.name
    return (
        "; ".join(filter(None, dict.fromkeys(named)))
        or any(section.extra_data for section in methods)
        or any(study.tasks[other.task].dataset.name != dataset for other in others)
    )
