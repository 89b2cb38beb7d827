"""Schedules as functions of the epoch, so that nothing of them has to be checkpointed."""

import math


def cosine(epoch: int, epochs: int, start: float, end: float) -> float:
    """Cosine from `start` (epoch 0) towards `end` (reached at `epochs`), per epoch as the public DARTS code steps it.

    lr_e = end + (start - end) (1 + cos(pi e / E)) / 2 (Loshchilov and Hutter 2017, eq. 5, without restarts).
    """
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * epoch / epochs))


def ramp(epoch: int, epochs: int, start: float, end: float) -> float:
    """Linear from `start` at epoch 0 towards `end` at `epochs` (drop path: p = end * e / E when start is 0)."""
    return start + (end - start) * epoch / epochs
