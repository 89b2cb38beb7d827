"""The checks of a config beyond its types: names, references between sections, options of plug-ins, what fits together.

All that can fail later fails here, with the key, what it holds and what is expected.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core import plugins
from fernas.core.config import DatasetConfig, InitFrom, MethodConfig, validate_section
from fernas.core.errors import ConfigError, did_you_mean, unknown
from fernas.study.layout import RENDERED

if TYPE_CHECKING:
    from fernas.study.datasets import Dataset
    from fernas.study.study import Study
    from fernas.study.tasks import Task

NAMES = {  # they become folders and wildcards: nothing else may be in them
    "datasets": r"[a-z0-9][a-z0-9_]*",
    "methods": r"[a-z0-9][a-z0-9_]*",
    "views": r"[a-z0-9][a-z0-9_-]*",
    "tasks": r"[a-z0-9][a-z0-9_-]*",
    "protocols": r"[a-z0-9][a-z0-9_-]*",
}
Entry = tuple[str, str, str]  # task, protocol, method


def check_study(study: "Study", where: str) -> None:
    """Check a study; `where` begins each message, for example the name of the config file.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    _check_names(study, where)
    for dataset in study.datasets.values():
        _check_dataset(study, dataset, f"{where}: datasets.{dataset.name}")
    for task in study.tasks.values():
        _check_task(study, task, f"{where}: tasks.{task.name}")
    for name, method in study.methods.items():
        _check_method(study, name, method, f"{where}: methods.{name}")
    # sections first: the entries of the study lead to them by name
    entries = _entries(study, where)
    for entry in sorted(entries):
        _check_entry(study, entry, entries, where)
    _check_plugins(study, where)
    _check_final(study, entries, where)
    for entry in sorted(entries):
        # only now: `misfit` loads plug-ins whose names `_check_plugins` has checked
        if reason := misfit(study, study.tasks[entry[0]], entry[2]):
            raise ConfigError(f"{where}: study: {entry[2]} on {entry[0]}: {reason}")
        _check_sources(study, entry, where)
    for task in study.tasks.values():
        _check_classes(study, task, f"{where}: tasks.{task.name}.classes")
    _check_composition(study, where)


def misfit(study: "Study", task: "Task", method: str) -> str | None:
    """Why a method makes no sense on a task, or None: its view needs clips, or features where it wants images."""
    settings = study.methods[method]
    # an ensemble looks at no view; its members are checked by themselves
    if settings.combine:
        return None
    name = task.view_of(method)
    view = study.views[name]
    plugin = plugins.load("views", view.kind)
    if plugin.needs_clips and task.section.frames.kind != "clip":
        return f"its view {name} ({view.kind}) is made of clips, the samples of {task.name} are images"
    if plugin.holds_features != plugins.load("training", settings.recipe).features:
        wants = "images" if plugin.holds_features else "features"
        return f"its recipe {settings.recipe} works on {wants}, its view {name} is of kind {view.kind}"
    return None


def _known(where: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise unknown(where, name, names)


def _load(where: str, kind: str, name: str) -> Any:
    """A plug-in that the config names."""
    _known(where, name, plugins.available(kind))
    return plugins.load(kind, name)


def _check_names(study: "Study", where: str) -> None:
    for section, pattern in NAMES.items():
        for name in getattr(study, section):
            if not re.fullmatch(pattern, name):
                raise ConfigError(f"{where}: {section}: the name {name!r:.80} is not of the form {pattern}")
            if section in ("datasets", "tasks") and name.endswith(RENDERED):
                raise ConfigError(f"{where}: {section}: the name {name!r} ends in {RENDERED}, which fernas adds itself")


# ---------------------------------------------------------------------------------------------------- datasets


def _check_dataset(study: "Study", dataset: "Dataset", key: str) -> None:
    section = dataset.section
    if section.root is not None and study.results.resolve().is_relative_to(Path(section.root).resolve()):
        raise ConfigError(f"{key}.root: results ({study.results}) lie in it; expected them outside of your dataset")
    for other in section.same_people_as:
        _known(f"{key}.same_people_as", other, study.datasets)
    if section.parts:
        _check_config_composite(study, dataset, key)
        return
    adapter = _load(key if section.adapter is None else f"{key}.adapter", "datasets", dataset.adapter)
    validate_section(adapter.Config, section.options, f"{key}.options")
    for part in dataset.parts:
        if part not in study.datasets:
            raise ConfigError(f"{key}: is made of {', '.join(dataset.parts)}; {part} is not configured")
    if dataset.parts:
        _check_one_source(study, section, dataset.parts, key)
    elif section.source == "rendered":
        layout = _load(key, "synth/layouts", dataset.adapter)
        validate_section(layout.Config, section.rendered, f"{key}.rendered")


def _check_config_composite(study: "Study", dataset: "Dataset", key: str) -> None:
    """The parts of a composite of the config are at least two other datasets, none of them a composite."""
    parts = dataset.section.parts
    given = sorted(dataset.section.model_fields_set - {"parts", "source"})
    if given:
        raise ConfigError(f"{key}: a composite (parts) has no {', '.join(given)} of its own; its parts have")
    if dataset.name in plugins.available("datasets"):
        raise ConfigError(f"{key}: an adapter has this name; call the composite otherwise")
    for part in parts:
        _known(f"{key}.parts", part, study.datasets)
        if study.datasets[part].parts:
            raise ConfigError(f"{key}.parts: {part} is itself a composite; name its parts")
    if len(set(parts)) != len(parts) or len(parts) < 2:
        raise ConfigError(f"{key}.parts: got {list(parts)}, expected at least two different datasets")
    _check_one_source(study, dataset.section, parts, key)


def _check_one_source(study: "Study", section: DatasetConfig, parts: tuple[str, ...], key: str) -> None:
    """A composite never mixes synthetic and real faces; its `source` may be left out."""
    sources = {study.datasets[part].section.source for part in parts}
    if "source" in section.model_fields_set:
        sources.add(section.source)
    if len(sources) > 1:
        raise ConfigError(f"{key}: it and its parts must have one source, got {sorted(sources)}")


# ---------------------------------------------------------------------------------------------------- tasks, methods


def _check_task(study: "Study", task: "Task", key: str) -> None:
    _known(f"{key}.dataset", task.section.dataset, study.datasets)
    _known(f"{key}.view", task.section.view, study.views)
    for label, target in task.section.label_map.items():
        _known(f"{key}.label_map.{label}", target, task.section.classes)


def _check_classes(study: "Study", task: "Task", where: str) -> None:
    """A class that only resembles one of the dataset is a slip; other unknown ones may be raw labels of the dataset."""
    known = {"neutral", *task.section.label_map.values()}
    for part in task.dataset.section.parts or (task.dataset.name,):
        known |= set(study.datasets[part].spec.classes)
    for label in task.section.classes:
        if label not in known and did_you_mean(label, known):
            raise unknown(where, label, known)


def _check_method(study: "Study", name: str, method: MethodConfig, key: str) -> None:
    if method.budget_from is not None:
        _known(f"{key}.budget_from", method.budget_from, study.methods)
    if method.params_from is not None:
        _check_params_from(study, method, method.params_from, f"{key}.params_from")
    if method.view is not None:
        _known(f"{key}.view", method.view, study.views)
    if method.combine:
        _check_ensemble(study, method, key)
    elif not method.search:
        raise ConfigError(f"{key}.search: missing, expected a plug-in of fernas/search (or `combine`)")
    if method.init_from is not None:
        _check_init_from(study, name, method.init_from, f"{key}.init_from")


def _check_params_from(study: "Study", method: MethodConfig, name: str, key: str) -> None:
    """The other method is searched for in the same scopes, and does not itself take its size from a third one."""
    _known(key, name, study.methods)
    other = study.methods[name]
    if other.combine or other.params_from is not None or not set(method.scopes) <= set(other.scopes):
        raise ConfigError(f"{key}: {name} is not a method with a search in {', '.join(method.scopes)}")


def _check_ensemble(study: "Study", method: MethodConfig, key: str) -> None:
    """An ensemble has members and nothing else; the members are methods that are trained."""
    given = sorted(method.model_fields_set - {"combine", "scopes", "extra_data"})
    if given:
        raise ConfigError(f"{key}: an ensemble (combine) has no {', '.join(given)} of its own")
    for member in method.combine:
        _known(f"{key}.combine", member, study.methods)
        if study.methods[member].combine:
            raise ConfigError(f"{key}.combine: {member} is itself an ensemble; name its members")


def _check_init_from(study: "Study", name: str, source: InitFrom, key: str) -> None:
    """What a method takes over comes from a method that is trained before it: no ensemble, and no circle."""
    _known(f"{key}.task", source.task, study.tasks)
    _known(f"{key}.protocol", source.protocol, study.protocols)
    _known(f"{key}.method", source.method, study.methods)
    # from this method back to the first one: coming to one twice is a circle
    chain = [name]
    start: InitFrom | None = source
    while start is not None and start.method in study.methods:
        if start.method in chain or study.methods[start.method].combine:
            raise ConfigError(f"{key}.method: {start.method} is not a method that is trained before {name}")
        chain.append(start.method)
        start = study.methods[start.method].init_from


def _check_plugins(study: "Study", where: str) -> None:
    for name, view in study.views.items():
        plugin = _load(f"{where}: views.{name}.kind", "views", view.kind)
        validate_section(plugin.Config, view.options, f"{where}: views.{name}")
    for name, protocol in study.protocols.items():
        plugin = _load(f"{where}: protocols.{name}.kind", "protocols", protocol.kind)
        options = validate_section(plugin.Config, protocol.options, f"{where}: protocols.{name}.options")
        if not protocol.stratify and plugin.is_stratified(options):
            raise ConfigError(
                f"{where}: protocols.{name}.stratify: got false, but class counts divide the folds of {protocol.kind}; "
                f"expected subject_kfold with assignment: modulo, or another kind"
            )
    for name, method in study.methods.items():
        key = f"{where}: methods.{name}"
        if method.combine:
            continue
        search = _load(f"{key}.search", "search", method.search)
        validate_section(search.Config, method.search_options, f"{key}.search_options")
        if method.space is not None:
            _known(f"{key}.space", method.space, plugins.available("spaces"))
        recipe = _load(f"{key}.recipe", "training", method.recipe)
        validate_section(recipe.Config, method.recipe_options, f"{key}.recipe_options")
        if method.space is not None and (reason := search.skip(method.space)):
            raise ConfigError(f"{key}: {method.search} cannot run on the space {method.space}: {reason}")


# ---------------------------------------------------------------------------------------------------- the grid


def _entries(study: "Study", where: str) -> set[Entry]:
    """What the key `study` lists; each once."""
    entries: set[Entry] = set()
    for position, row in enumerate(study.config.study):
        key = f"{where}: study.{position}"
        _known(f"{key}.task", row.task, study.tasks)
        _known(f"{key}.protocol", row.protocol, study.protocols)
        for method in row.methods:
            _known(f"{key}.methods", method, study.methods)
            entry = (row.task, row.protocol, method)
            if entry in entries:
                raise ConfigError(f"{key}: {method} on {row.task} under {row.protocol} stands there twice")
            entries.add(entry)
    return entries


def _check_entry(study: "Study", entry: Entry, entries: set[Entry], where: str) -> None:
    """Ensembles need their members on the same task; what is taken over must be in the study."""
    task, protocol, name = entry
    method = study.methods[name]
    kind = study.protocols[protocol].kind
    if "published" in method.scopes and kind != "official":
        raise ConfigError(
            f"{where}: methods.{name}.scopes: published halves a dataset by position and needs a protocol of kind "
            f"official, got {protocol} ({kind})"
        )
    for member in method.combine:
        if (task, protocol, member) not in entries:
            raise ConfigError(
                f"{where}: study: {name} on {task} under {protocol} combines {member}, which is not run there"
            )
    source = method.init_from
    if source is not None and (source.task, source.protocol, source.method) not in entries:
        raise ConfigError(
            f"{where}: study: {name} starts from {source.method} on {source.task} under {source.protocol}, "
            f"which is not in the study"
        )


def _check_sources(study: "Study", entry: Entry, where: str) -> None:
    """What an entry of the study takes over, over any number of steps, was learned from other people."""
    task, protocol, name = entry
    method = study.methods[name]
    target = study.tasks[task].dataset
    for scope in study.scopes_of(name):
        for other in study.ancestors_of(task, protocol, name, scope):
            origin = study.tasks[other.task].dataset
            over = f", by way of {', '.join(other.steps)}," if other.steps else ""
            # folds keep subjects apart within one task and protocol alone
            if not other.same_folds and target.same_people(origin):
                raise ConfigError(
                    f"{where}: study: {name} on {task} starts{over} from {origin.name}, which shows the same people as "
                    f"{target.name}"
                )
            if method.init_from is not None and target.name != origin.name and not method.extra_data:
                raise ConfigError(
                    f"{where}: methods.{name}: on {task} it takes over{over} what was learned from {origin.name}; "
                    f"say extra_data: true"
                )
    if method.init_from is not None:
        _check_source(study, entry, method.init_from, f"{where}: methods.{name}.init_from")


def _check_source(study: "Study", entry: Entry, source: InitFrom, key: str) -> None:
    """The run of `init_from` is one of the study; within one task and protocol no fold reaches another one."""
    scopes = study.scopes_of(source.method)
    if source.scope not in scopes:
        raise ConfigError(
            f"{key}.scope: {source.method} is not run in scope {source.scope}; expected {' or '.join(scopes)}"
        )
    groups = study.fold_groups_of(source.protocol, source.scope)
    if (source.task, source.protocol) != entry[:2]:
        if source.scope == "per_group" and groups > 1:
            raise ConfigError(f"{key}: {source.protocol} has {groups} fold groups, expected one architecture")
        return
    if source.fold is not None:
        raise ConfigError(
            f"{key}.fold: got {source.fold}; within one task and protocol every fold starts from the same fold of "
            f"{source.method}, as any other one has learnt from its test subjects; leave fold out"
        )
    if groups > 1:
        raise ConfigError(
            f"{key}: {source.method} has {groups} architectures on {entry[0]} under {entry[1]}, each searched on test "
            f"subjects of other folds; expected a source of one architecture (fixed, groups: 1 or another task)"
        )


def _check_final(study: "Study", entries: set[Entry], where: str) -> None:
    for number, model in enumerate(study.config.final):
        if (model.task, model.protocol, model.method) not in entries:
            raise ConfigError(
                f"{where}: final.{number}: {model.method} on {model.task} under {model.protocol} is not in the study"
            )
        method = study.methods[model.method]
        if method.combine or method.init_from:
            raise ConfigError(f"{where}: final.{number}: {model.method} rests on other runs; expected one that doesn't")


def _check_composition(study: "Study", where: str) -> None:
    """Protocols check before anything runs which datasets a task holds, and which of them share subjects."""
    for position, entry in enumerate(study.config.study):
        protocol = study.protocols[entry.protocol]
        sources = study.tasks[entry.task].dataset.sources
        plugin = plugins.load("protocols", protocol.kind)
        plugin.check_datasets(
            sources,
            study.same_people(sources),
            plugin.Config.model_validate(protocol.options),
            f"{where}: study.{position}: {entry.task} under {entry.protocol}",
        )
