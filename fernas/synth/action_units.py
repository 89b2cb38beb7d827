"""FACS action units, the expressions made of them, and a subject's own way to show them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fernas.core import seeds
from fernas.core.errors import unknown

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 43)
INDEX = {unit: i for i, unit in enumerate(ACTION_UNITS)}
N_UNITS = len(ACTION_UNITS)
N_CHANNELS = 2 * N_UNITS
"""Each unit has an image-left and an image-right channel: channel = 2 * INDEX[unit] + side."""

PROTOTYPES: dict[str, dict[int, tuple[float, float]]] = {
    "neutral": {},
    "anger": {
        4: (1.0, 1.0), 5: (0.5, 0.6), 7: (0.8, 0.9), 23: (0.9, 0.85), 24: (0.6, 0.4), 17: (0.4, 0.3), 10: (0.3, 0.2),
    },
    "contempt": {12: (0.7, 1.0), 14: (0.9, 1.0), 4: (0.2, 0.15), 2: (0.3, 0.15)},
    "disgust": {
        9: (1.0, 1.0), 10: (0.8, 0.8), 4: (0.4, 0.4), 15: (0.4, 0.5), 17: (0.5, 0.5), 7: (0.4, 0.4), 6: (0.3, 0.3),
        25: (0.25, 0.3),
    },
    "fear": {
        1: (0.9, 1.0), 2: (0.6, 0.8), 4: (0.5, 0.8), 5: (0.9, 0.9), 20: (0.8, 0.9), 25: (0.5, 0.8), 26: (0.35, 0.5),
        7: (0.3, 0.3),
    },
    "happiness": {6: (0.9, 0.9), 12: (1.0, 1.0), 25: (0.5, 0.7), 7: (0.2, 0.2), 26: (0.2, 0.2)},
    "sadness": {1: (0.9, 0.95), 4: (0.6, 0.8), 15: (0.9, 0.95), 17: (0.6, 0.7), 6: (0.2, 0.2), 43: (0.15, 0.4)},
    "surprise": {1: (0.9, 0.95), 2: (1.0, 0.95), 5: (0.8, 0.9), 25: (0.8, 0.9), 26: (0.9, 0.9)},
    "repression": {15: (0.8, 0.9), 14: (0.6, 0.7), 24: (0.8, 0.8), 17: (0.7, 0.8), 12: (0.25, 0.3)},
    "tense": {4: (0.4, 0.5), 7: (0.7, 0.7), 23: (0.8, 0.9), 24: (0.7, 0.6), 20: (0.3, 0.3)},
    "others": {
        4: (0.7, 0.6), 7: (0.5, 0.4), 14: (0.6, 0.4), 1: (0.4, 0.2), 25: (0.4, 0.3), 10: (0.3, 0.2), 43: (0.2, 0.3),
    },
    "pain": {
        4: (0.9, 1.0), 6: (0.6, 0.8), 7: (0.9, 0.9), 9: (0.5, 0.5), 10: (0.5, 0.5), 20: (0.4, 0.4), 43: (0.3, 0.5),
    },
}  # fmt: skip
"""Expression -> unit -> (typical strength, probability of being present); EMFACS-like, our choice."""

UNILATERAL = {"contempt": (12, 14, 2)}
"""Units that an expression shows on one side of the face only."""

# share of the strength that the other side keeps; not 0, since it does not stay still
WEAK_SIDE = 0.12


@dataclass(frozen=True)
class Expression:
    """One occurrence, before a subject's gains: unit -> (image-left, image-right) strength in [0, 1]."""

    name: str
    units: Mapping[int, tuple[float, float]]

    def scaled(self, factor: float) -> "Expression":
        """The same expression at `factor` times the strength, clipped to 1."""
        return Expression(
            self.name, {u: (min(1.0, a * factor), min(1.0, b * factor)) for u, (a, b) in self.units.items()}
        )

    def coded(self, threshold: float = 0.3) -> list[tuple[int, str, float]]:
        """What a FACS coder would note of it: (unit, "" | "L" | "R", strength of the stronger side), ascending units.

        L and R are the subject's sides; the subject's left is on the right of the image.
        """
        notes = []
        for unit, (left, right) in sorted(self.units.items()):
            strong = max(left, right)
            if strong >= threshold:
                side = "" if min(left, right) > 0.4 * strong else ("R" if left > right else "L")
                notes.append((unit, side, strong))
        return notes


def sample_expression(name: str, rng: np.random.Generator, strength: float = 1.0, idle: float = 0.06) -> Expression:
    """Draw one occurrence: units drop out and vary, other units idle, a unilateral expression picks its side.

    Args:
        name: key of PROTOTYPES.
        rng: consumed by a fixed number of draws, whatever the name.
        strength: factor on the prototype's units.
        idle: standard deviation of the units that have nothing to do with the expression.
    """
    if name not in PROTOTYPES:
        raise unknown("rendered expression", name, PROTOTYPES)
    # all draws come before any branch: with equal seeds, two expressions differ in nothing else
    present, vary, idles, amount = (
        rng.random(N_UNITS), rng.uniform(0.65, 1.1, N_UNITS), rng.random(N_UNITS), rng.standard_normal(N_UNITS),
    )  # fmt: skip
    sides = (1.0, WEAK_SIDE) if rng.random() < 0.5 else (WEAK_SIDE, 1.0)
    prototype = PROTOTYPES[name]
    units: dict[int, tuple[float, float]] = {}
    for i, unit in enumerate(ACTION_UNITS):
        typical, probability = prototype.get(unit, (0.0, 0.0))
        value = min(1.0, typical * vary[i]) * strength if present[i] < probability else 0.0
        left, right = sides if unit in UNILATERAL.get(name, ()) else (1.0, 1.0)
        # no idle AU43: it closes the eyes
        extra = abs(amount[i]) * idle if idles[i] < 0.3 and unit != 43 else 0.0
        if value or extra:
            units[unit] = (min(1.0, value * left + extra), min(1.0, value * right + extra))
    return Expression(name, units)


@dataclass(frozen=True)
class Expressivity:
    """How strongly a subject shows each unit: gain (N_UNITS,) and side (2, N_UNITS), factors around 1."""

    gain: np.ndarray
    side: np.ndarray

    def activation(self, expression: Expression, factor: float = 1.0) -> np.ndarray:
        """The float32 (N_CHANNELS,) activation of the face for an expression at `factor` times its strength."""
        out = np.zeros(N_CHANNELS, np.float32)
        for unit, pair in expression.units.items():
            i = INDEX[unit]
            for side in (0, 1):
                out[2 * i + side] = factor * pair[side] * self.gain[i] * self.side[side, i]
        return out


def sample_expressivity(seed: int) -> Expressivity:
    """A subject's gains and asymmetry."""
    rng = seeds.rng(seed, "expressivity")
    gain = np.clip(rng.normal(0.92, 0.17, N_UNITS), 0.5, 1.25).astype(np.float32)
    side = np.clip(1 + rng.normal(0, 0.06, (2, N_UNITS)), 0.8, 1.2).astype(np.float32)
    return Expressivity(gain, side)


def channel(activation: np.ndarray, unit: int, side: int) -> float:
    """Activation of one unit on one side (0 image-left, 1 image-right)."""
    return float(activation[2 * INDEX[unit] + side])


def mean_channel(activation: np.ndarray, unit: int) -> float:
    """Mean activation of one unit over both sides."""
    i = 2 * INDEX[unit]
    return 0.5 * float(activation[i] + activation[i + 1])
