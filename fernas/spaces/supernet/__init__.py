"""The supernet of a cell space: `plain`, for being read, and `fast`, the same function several times faster.

Layer: part of `spaces`. `plain` and `fast` have the same parameters and interchangeable state dictionaries.
"""

from fernas.spaces.supernet.discretise import SKIP, architecture_of, discretise, discretise_weights, limit_skips
from fernas.spaces.supernet.make import make_supernet
from fernas.spaces.supernet.plain import require_gradients

__all__ = [
    "SKIP",
    "architecture_of",
    "discretise",
    "discretise_weights",
    "limit_skips",
    "make_supernet",
    "require_gradients",
]
