"""Which adapter reads a dataset of the config, what a composite is made of, which datasets show the same people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fernas.core import plugins
from fernas.core.errors import unknown

if TYPE_CHECKING:
    from fernas.core.config import DatasetConfig, StudyConfig

COMPOSITE = plugins.COMPOSITE
OWN = "custom"  # two datasets of one's own are two datasets; two copies read by any other adapter are one


def _section(config: "StudyConfig", dataset: str) -> "DatasetConfig":
    if dataset not in config.datasets:
        raise unknown("datasets", dataset, config.datasets)
    return config.datasets[dataset]


def adapter_name(config: "StudyConfig", dataset: str) -> str:
    """The plug-in of fernas/datasets that reads a dataset: its `adapter`, or the one of its own name."""
    section = _section(config, dataset)
    return COMPOSITE if section.parts else section.adapter or dataset


def adapter_names(config: "StudyConfig", dataset: str) -> dict[str, str]:
    """Dataset -> adapter for a dataset and its parts, where the two names differ."""
    every = {dataset, *parts_of(config, dataset)}
    return {name: adapter_name(config, name) for name in sorted(every) if adapter_name(config, name) != name}


def adapter_module(config: "StudyConfig", dataset: str) -> str:
    """The dotted module of a dataset's adapter."""
    name = adapter_name(config, dataset)
    return "fernas.datasets._composite" if name == COMPOSITE else plugins.module_name("datasets", name)


def parts_of(config: "StudyConfig", dataset: str) -> tuple[str, ...]:
    """The datasets that a composite is made of; empty for an ordinary dataset."""
    own = tuple(_section(config, dataset).parts)
    return own or tuple(plugins.load("datasets", adapter_name(config, dataset)).spec.parts)


def sources_of(config: "StudyConfig", dataset: str) -> tuple[str, ...]:
    """The datasets whose frames a dataset reads: itself, or the parts of a composite."""
    return parts_of(config, dataset) or (dataset,)


def is_rendered(config: "StudyConfig", dataset: str) -> bool:
    """Whether a dataset is rendered; a composite is what its parts are."""
    return all(config.datasets[source].source == "rendered" for source in sources_of(config, dataset))


def same_people(config: "StudyConfig", datasets: Iterable[str]) -> dict[str, list[str]]:
    """Dataset -> those of the others that show the same people: by their adapters, or as the config says."""
    names = list(datasets)
    return {one: [other for other in names if one != other and _overlap(config, one, other)] for one in names}


def _overlap(config: "StudyConfig", one: str, other: str) -> bool:
    """Whether any dataset of one dataset shows people of any dataset of another."""
    return any(
        a == b or _related(config, a, b) or _related(config, b, a)
        for a in sources_of(config, one)
        for b in sources_of(config, other)
    )


def _related(config: "StudyConfig", one: str, other: str) -> bool:
    if other in config.datasets[one].same_people_as:
        return True
    mine, theirs = adapter_name(config, one), adapter_name(config, other)
    return (mine == theirs != OWN) or theirs in plugins.load("datasets", mine).spec.same_people_as
