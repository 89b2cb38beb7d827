"""No search: the architecture of another run (`init_from`), with this task's classes and images."""

from typing import Any

from pydantic import Field

from fernas.core.architecture import Architecture, Network, read_architecture
from fernas.core.errors import ConfigError, ScienceError
from fernas.learn.config import Options
from fernas.search.context import SearchContext, SearchPlugin


class TakenConfig(Options):
    """methods.<name>.init_from names the run; its network may become deeper here (not for fine-tuning)."""

    cells: int | None = Field(default=None, ge=1, description="number of cells; null: as in the other run")


def run(context: SearchContext) -> Architecture:
    """The other run's architecture; its network block with the classes and the input of this task.

    Raises:
        ConfigError: the method names no run.
        ScienceError: the other run's search failed, or its images have another number of channels.
    """
    if context.source is None:
        raise ConfigError("search taken: needs methods.<name>.init_from, the run whose architecture is taken")
    context.open(needs_samples=False)
    # a failed search leaves an empty file
    if not context.source.stat().st_size:
        raise ScienceError(f"the search of {context.source.parent} failed")
    architecture = read_architecture(context.source)
    block = architecture.network or Network()
    if block.input is not None and block.input[0] != context.input_shape[0]:
        raise ScienceError(
            f"{context.source}: was searched on images of {block.input[0]} channels, "
            f"these have {context.input_shape[0]}; give both methods one view"
        )
    update: dict[str, Any] = {"classes": len(context.classes), "input": context.input_shape}
    if context.options.cells is not None:
        update["cells"] = context.options.cells
    return architecture.model_copy(update={"network": block.model_copy(update=update)})


def skip(space: str | None) -> str | None:
    """The space is that of the other run."""
    return None if space is None else "the architecture is taken from another run; leave `space` out"


PLUGIN = SearchPlugin("taken", "architecture of another run", TakenConfig, run, skip, uses_data=False)
