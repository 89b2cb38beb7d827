"""The datasets of a study: which adapter reads them, what composites are made of, which of them share subjects."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fernas.core import plugins
from fernas.core.config import DatasetConfig
from fernas.core.errors import ConfigError
from fernas.core.plugins import COMPOSITE
from fernas.study.layout import DatasetFolder, folder_name

if TYPE_CHECKING:
    from fernas.study.study import Study

CUSTOM = "custom"  # two datasets read by this adapter are two datasets; two read by any other adapter are one


@dataclass(frozen=True)
class Dataset:
    """A dataset of the config.

    Attributes:
        study: the study that it belongs to.
        name: its name in the config.
        section: its section of the config.
    """

    # not compared and not printed: the study holds its datasets, and so this one again
    study: "Study" = field(repr=False, compare=False)
    name: str
    section: DatasetConfig = field(repr=False)

    @cached_property
    def adapter(self) -> str:
        """The plug-in of fernas/datasets that reads it: the key `adapter`, or the plug-in of the same name."""
        return COMPOSITE if self.section.parts else self.section.adapter or self.name

    @cached_property
    def adapter_module(self) -> str:
        """The dotted module of its adapter."""
        if self.adapter == COMPOSITE:
            return "fernas.datasets._composite"
        return plugins.module_name("datasets", self.adapter)

    @cached_property
    def spec(self) -> Any:
        """What its adapter declares (`DatasetSpec`, with the name of the adapter); None for a composite of the config.

        Raises:
            ConfigError: there is no such adapter.
        """
        return None if self.section.parts else plugins.load("datasets", self.adapter).spec

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The datasets that a composite is made of; empty for an ordinary dataset."""
        return self.section.parts or tuple(self.spec.parts)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The datasets whose frames it reads: itself, or the parts of a composite."""
        return self.parts or (self.name,)

    @property
    def members(self) -> list["Dataset"]:
        """The same as datasets."""
        return [self.study.datasets[name] for name in self.sources]

    @cached_property
    def adapters(self) -> dict[str, str]:
        """Dataset -> adapter for itself and its parts, where the two names differ."""
        names = {name: self.study.datasets[name].adapter for name in sorted({self.name, *self.parts})}
        return {name: adapter for name, adapter in names.items() if adapter != name}

    @cached_property
    def is_rendered(self) -> bool:
        """Whether its faces are synthetic; a composite is what its parts are."""
        return all(self.study.config.datasets[name].source == "rendered" for name in self.sources)

    @property
    def folder(self) -> str:
        """Its folder name under results/data."""
        return folder_name(self.name, self.is_rendered)

    @property
    def files(self) -> DatasetFolder:
        """Its folder."""
        return self.study.layout.dataset(self.folder)

    @property
    def root(self) -> str:
        """Its root folder: below results where it is rendered, else the root of the real dataset.

        Raises:
            ConfigError: it is real and has no root in the config.
        """
        if self.is_rendered:
            return str(self.study.layout.rendered(self.name).root)
        if self.section.root is None:
            raise ConfigError(f"datasets.{self.name}.root: missing, expected the folder of your copy (source is real)")
        return self.section.root

    @property
    def roots(self) -> dict[str, str]:
        """Dataset -> root, for all datasets whose frames it reads."""
        return {member.name: member.root for member in self.members}

    @property
    def missing_roots(self) -> list[str]:
        """The real datasets whose frames it reads and that have no root in the config."""
        return [member.name for member in self.members if not member.is_rendered and member.section.root is None]

    def same_people(self, other: "Dataset") -> bool:
        """Whether the two share subjects: any of their sources do, by their adapters or by the config."""
        # either one may declare it, so both are asked
        return any(
            one.name == two.name or one._knows(two) or two._knows(one) for one in self.members for two in other.members
        )

    def shows_people_of(self, adapter: str) -> bool:
        """Whether it shares subjects with the dataset that an adapter reads; the config need not hold that one."""
        known = adapter in plugins.available("datasets")
        same = plugins.load("datasets", adapter).spec.same_people_as if known else ()
        return any(
            adapter == member.adapter != CUSTOM or adapter in member.spec.same_people_as or member.adapter in same
            for member in self.members
        )

    def _knows(self, other: "Dataset") -> bool:
        if other.name in self.section.same_people_as:
            return True
        return (self.adapter == other.adapter != CUSTOM) or other.adapter in self.spec.same_people_as
