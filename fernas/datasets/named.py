"""Adapters under the names that a config gives to its datasets, and composites that a config makes of its datasets."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fernas.core import plugins
from fernas.core.composites import COMPOSITE
from fernas.datasets._base import Adapter


def adapter_of(name: str, adapters: Mapping[str, str] | None = None, parts: Sequence[str] = ()) -> Adapter:
    """The adapter that reads a dataset; ids, subjects and messages carry the dataset's name.

    Args:
        name: the dataset's name in the config.
        adapters: dataset -> plug-in of fernas/datasets, where the two names differ.
        parts: the datasets of a composite.

    Raises:
        ConfigError: there is no such plug-in.
    """
    kind = (adapters or {}).get(name, name)
    if kind == COMPOSITE:
        from fernas.datasets._composite import Composite

        return Composite(name, {part: adapter_of(part, adapters) for part in parts})
    adapter: Adapter = plugins.load("datasets", kind)
    if kind == name:
        return adapter
    own = copy.copy(adapter)
    own.spec = replace(adapter.spec, name=name)
    return own
