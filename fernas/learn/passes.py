"""How many samples go through a network at once: the whole batch, or less where memory does not suffice."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from fernas.core.errors import ScienceError
from fernas.learn.runtime import is_out_of_memory

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Passes:
    """Cuts batches into passes whose gradients add up to the batch's; halves them when memory runs out.

    The effective batch stays the same. BatchNorm's batch statistics are then those of a pass, so `size` is recorded
    with each epoch: None as long as whole batches fit.
    """

    def __init__(self, size: int | None, device: torch.device) -> None:
        self.size, self.device = size, device

    def slices(self, count: int) -> list[slice]:
        """Ranges of at most `size` samples that cover a batch of `count` and differ by at most one sample."""
        passes = -(-count // min(self.size or count, count))
        bounds = [count * k // passes for k in range(passes + 1)]
        return [slice(low, high) for low, high in zip(bounds, bounds[1:], strict=False)]

    def run(self, count: int, compute: Callable[[list[slice]], T]) -> T:
        """Call `compute` with the slices of a batch; again with smaller ones as long as memory runs out.

        Raises:
            ScienceError: not even passes of two samples fit (one sample has no batch statistics).
        """
        while True:
            try:
                return compute(self.slices(count))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Outside of `except`: the error holds the frames, and so the tensors, of the pass that failed.
            self._halve(min(self.size or count, count), reason)

    def _halve(self, size: int, reason: str) -> None:
        if size < 4:
            raise ScienceError(f"out of memory even with passes of {size} samples: {reason}")
        self.size = size // 2
        logger.warning("out of memory: passes of %d samples from here on", self.size)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
