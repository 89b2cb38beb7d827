"""The supernet of a cell space: `plain`, for being read, and `fast`, the same function several times faster.

Layer: part of `spaces`. `plain` and `fast` have the same parameters and interchangeable state dictionaries.
"""

from fernas.spaces.supernet.discretise import architecture_of, discretise, discretise_weights
from fernas.spaces.supernet.make import make_supernet
from fernas.spaces.supernet.plain import require_gradients

__all__ = [
    "architecture_of",
    "discretise",
    "discretise_weights",
    "make_supernet",
    "require_gradients",
]
