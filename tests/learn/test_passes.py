import pytest
import torch

from fernas.core.errors import ScienceError
from fernas.learn.passes import Passes

CPU = torch.device("cpu")


def test_memory_that_never_suffices_is_a_failure_of_science():
    def compute(slices):
        raise torch.OutOfMemoryError("CUDA out of memory (pretended)")

    with pytest.raises(ScienceError, match="out of memory"):
        Passes(None, CPU).run(16, compute)


def test_other_runtime_errors_are_not_swallowed():
    def compute(slices):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Passes(None, CPU).run(16, compute)
