"""Genetic operators on genomes of face patches, and their form as integer vectors; pure functions of a generator."""

from collections.abc import Sequence

import numpy as np

from fernas.search._patches_config import EvolutionConfig
from fernas.spaces.patches import Box, Genome, PatchLimits

FIELDS = 5  # of a patch in a vector: used (0 or 1), dx, dy, w, h


def encode(genome: Genome, max_patches: int) -> np.ndarray:
    """A genome as int64 (5 K,); unused places are zeros at the end."""
    vector = np.zeros((max_patches, FIELDS), np.int64)
    for row, box in zip(vector, genome, strict=False):
        row[:] = (1, *box)
    return vector.reshape(-1)


def decode(vector: np.ndarray) -> Genome:
    """The genome of a vector (5 K,)."""
    rows = np.asarray(vector).reshape(-1, FIELDS)
    return tuple((int(r[1]), int(r[2]), int(r[3]), int(r[4])) for r in rows if r[0])


def cross(one: Genome, two: Genome, limits: PatchLimits, rng: np.random.Generator) -> tuple[Genome, Genome]:
    """Two children that share out the parents' whole patches.

    What both parents have, both children inherit. The other patches are shuffled and dealt: the first child gets as
    many patches as one parent has, the second as many as the other.
    """
    common = [box for box in one if box in two]
    rest = [box for box in (*one, *two) if box not in common]
    rng.shuffle(rest)
    first = len(one) - len(common)
    return limits.repair([*common, *rest[:first]], rng), limits.repair([*common, *rest[first:]], rng)


def mutate(genome: Genome, limits: PatchLimits, options: EvolutionConfig, rng: np.random.Generator) -> Genome:
    """A genome whose patches have moved, changed size, been drawn anew, been lost or gained."""
    boxes: list[Box] = []
    for box in genome:
        if rng.random() < options.mutation:
            box = _move(box, limits, options.step * limits.face_px, rng)
        if rng.random() < options.replace:
            box = limits.random_box(rng)
        boxes.append(box)
    if not limits.fixed_count and rng.random() < options.resample:
        _resample(boxes, limits, rng)
    return limits.repair(boxes, rng)


def _move(box: Box, limits: PatchLimits, deviation: float, rng: np.random.Generator) -> Box:
    """A normal step of the centre; each side stays or becomes the next legal one, up or down."""
    dx, dy, w, h = box
    dx, dy = (int(round(v + rng.normal(0, deviation))) for v in (dx, dy))
    w, h = (_next_size(side, limits.sizes, int(rng.integers(-1, 2))) for side in (w, h))
    return dx, dy, w, h


def _next_size(side: int, sizes: Sequence[int], step: int) -> int:
    return sizes[min(max(sizes.index(side) + step, 0), len(sizes) - 1)]


def _resample(boxes: list[Box], limits: PatchLimits, rng: np.random.Generator) -> None:
    gain = len(boxes) == 1 or (len(boxes) < limits.max_patches and rng.random() < 0.5)
    if gain and len(boxes) < limits.max_patches:
        boxes.append(limits.random_box(rng))
    elif len(boxes) > 1:
        boxes.pop(int(rng.integers(len(boxes))))
