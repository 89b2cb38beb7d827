"""The order of samples: every sample once per pass, seeded, resumable from two numbers."""

import numpy as np

from fernas.core.seeds import rng


def epoch_batches(samples: int, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """One shuffled pass over `samples`, cut into batches of at most `batch` that differ by at most one sample.

    Nothing is dropped, so no class can vanish, and there is no tiny last batch with poor batch statistics.

    Returns:
        int64 index arrays; together a permutation of 0..samples-1.
    """
    # by epoch, so that a resumed job needs no state of a generator
    order = rng(seed, "order", epoch).permutation(samples)
    return np.array_split(order, -(-samples // batch))


class CyclingBatches:
    """An endless iterator over the batches of one pass after another.

    Its position is (pass, batch in the pass): `state()` and `load()` are all that a checkpoint needs. Public code of
    differentiable searches rebuilds its data loader at every step instead, which costs 70-90 ms a step.
    """

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        if samples < 1:
            raise ValueError("a part without samples has no batches")
        self.samples, self.batch, self.seed = samples, min(batch, samples), seed
        self.passed, self.position = 0, 0
        self._batches = epoch_batches(samples, self.batch, seed, 0)

    def __len__(self) -> int:
        """Batches in one pass."""
        return len(self._batches)

    def next(self) -> np.ndarray:
        """The indices of the next batch, int64 (B,)."""
        if self.position == len(self._batches):
            self.passed, self.position = self.passed + 1, 0
            self._batches = epoch_batches(self.samples, self.batch, self.seed, self.passed)
        indices = self._batches[self.position]
        self.position += 1
        return indices

    def state(self) -> dict[str, int]:
        """The position: the pass, and the batch in the pass."""
        return {"passed": self.passed, "position": self.position}

    def load(self, state: dict[str, int]) -> None:
        """Continue where `state` was taken."""
        self.passed, self.position = int(state["passed"]), int(state["position"])
        self._batches = epoch_batches(self.samples, self.batch, self.seed, self.passed)
