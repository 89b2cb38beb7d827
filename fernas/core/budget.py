"""The budget of a search: multiply-accumulates x images x epochs, so that it is reproducible on any machine."""

from typing import Any


class BudgetMeter:
    """Adds up what a search spends; a forward pass counts once, its backward pass twice.

    Args:
        limit_macs: what may be spent, or None for no limit (the meter only measures).

    Attributes:
        spent: multiply-accumulates spent so far.
    """

    def __init__(self, limit_macs: float | None = None) -> None:
        self.limit_macs = limit_macs
        self.spent = 0.0

    @property
    def remaining(self) -> float:
        """Multiply-accumulates left; infinite without a limit."""
        return float("inf") if self.limit_macs is None else max(0.0, self.limit_macs - self.spent)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left."""
        return self.remaining <= 0

    def spend(self, macs_per_image: float, images: int, backward: bool = True) -> None:
        """Record `images` passes of a network of `macs_per_image`, with or without the backward pass."""
        # the backward pass computes gradients of activations and of weights: two passes' worth
        self.spent += macs_per_image * images * (3 if backward else 1)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {"spent_macs": self.spent}

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint; the limit belongs to the config and stays that of this meter."""
        self.spent = float(state["spent_macs"])
