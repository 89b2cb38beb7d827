"""The supernet of a cell space: `plain`, for being read, and `fast`, the same function several times faster.

Layer: part of `spaces`. Both forms have the same parameters and interchangeable state dictionaries.
"""

from fernas.spaces.supernet.discretise import architecture_of, discretise, discretise_weights
from fernas.spaces.supernet.make import kernels_status, make_supernet
from fernas.spaces.supernet.step import make_optimizers, require, search_step

__all__ = [
    "architecture_of",
    "discretise",
    "discretise_weights",
    "kernels_status",
    "make_optimizers",
    "make_supernet",
    "require",
    "search_step",
]
