"""Schedules as functions of the epoch, so that nothing of them has to be checkpointed."""

import math


def cosine(epoch: int, epochs: int, start: float, end: float, schedule: str = "cosine") -> float:
    """Cosine from `start` (epoch 0) towards `end` (reached at `epochs`), per epoch as the public DARTS code steps it.

    lr_e = end + (start - end) (1 + cos(pi e / E)) / 2 (Loshchilov and Hutter 2017, eq. 5, without restarts).
    With schedule `authors` epoch e has the rate of e + 1, and the last one `end`: what SGAS' and Auto-FERNet's code
    gives under PyTorch 1.1 and later, because it steps the scheduler before the epoch.
    """
    step = epoch + 1 if schedule == "authors" else epoch
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / epochs))


def ramp(epoch: int, epochs: int, start: float, end: float) -> float:
    """Linear from `start` at epoch 0 towards `end` at `epochs` (drop path: p = end * e / E when start is 0)."""
    return start + (end - start) * epoch / epochs
