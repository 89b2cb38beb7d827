"""Which adapter reads a dataset: plug-ins under the names that a config gives, and composites of several datasets.

Every job resolves adapters here, from the names that its rule passes. Nothing else loads a plug-in by a dataset's name,
since a dataset may have a name of its own (`smic_vis: {adapter: smic}`).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fernas.core import plugins
from fernas.core.plugins import COMPOSITE
from fernas.datasets._base import Adapter


def adapter_of(name: str, adapters: Mapping[str, str] | None = None, parts: Sequence[str] = ()) -> Adapter:
    """The adapter that reads a dataset; ids, subjects and messages carry the dataset's name.

    Args:
        name: the dataset's name in the config.
        adapters: dataset -> plug-in of fernas/datasets, where the two names differ.
        parts: the datasets of a composite that the config makes.

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
    # a shallow copy: plug-ins are shared objects, and one may serve several datasets
    renamed = copy.copy(adapter)
    renamed.spec = replace(adapter.spec, name=name)
    return renamed
