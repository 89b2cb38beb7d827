"""Searches to be timed: the engines that the `search` rule runs, on random images."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core import plugins
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import NetworkConfig
from fernas.core.run_log import RunLog
from fernas.learn.arrays import ArrayPart
from fernas.search.context import SearchContext

CLASSES = 7
CELLS, CHANNELS = 8, 16


def search_context(method: str, space: str, shape: tuple[int, int, int], batch: int, **options: Any) -> SearchContext:
    """A search of `method` on images (C, H, W) whose parts hold one batch each, so that an epoch is one step."""
    folder = Path(tempfile.mkdtemp(dir=_root().name))
    log = RunLog(folder)
    log.start({})
    return SearchContext(
        space=space,
        weights=_part(shape, batch, 1),
        selection=_part(shape, batch, 2),
        inner_validation=_part(shape, 0, 3),
        classes=[str(label) for label in range(CLASSES)],
        input_shape=shape,
        options=plugins.load("search", method).Config(batch=batch, **options),
        network=NetworkConfig(cells=CELLS, channels=CHANNELS),
        seed=1,
        budget=BudgetMeter(),
        checkpoint=CheckpointStore(folder / "work", "key"),
        log=log,
        history_path=folder / "search.jsonl",
    )


@functools.cache
def _root() -> tempfile.TemporaryDirectory:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="fernas-benchmark-")


def _part(shape: tuple[int, int, int], count: int, seed: int) -> ArrayPart:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, *shape[1:], shape[0])).astype(np.uint8)
    return ArrayPart.of(images, np.arange(count) % CLASSES)
