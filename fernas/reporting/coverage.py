"""Where searched patches lie: a map over runs, and the overlap with regions of the face against chance. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fernas.core.seeds import rng
from fernas.spaces.patches import REGIONS, Box, Genome, PatchLimits, corners


@dataclass(frozen=True)
class Overlap:
    """How much of the patches lies in a region.

    Attributes:
        region: its name.
        share: of the patches' area, the mean over genomes.
        chance: the mean share of patches of the same sizes at random positions.
        low, high: the middle 95 % of that mean over random placements.
    """

    region: str
    share: float
    chance: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the share lies above what random placements reach."""
        return self.share > self.high


def mask(genome: Genome, face_px: int) -> np.ndarray:
    """The pixels of the standard face that a genome sees, bool (face_px, face_px)."""
    visible = np.zeros((face_px, face_px), bool)
    for box in genome:
        x0, y0, x1, y1 = corners(box, face_px)
        visible[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return visible


def coverage_map(genomes: Sequence[Genome], face_px: int, weights: Sequence[float] | None = None) -> np.ndarray:
    """Share of the runs whose best genome sees a pixel, weighted by `weights` (fitness): float64 in 0..1, (S, S)."""
    given = np.ones(len(genomes)) if weights is None else np.clip(np.asarray(weights, float), 0, None)
    total = given.sum()
    given = given / total if total > 0 else np.full(len(genomes), 1 / max(1, len(genomes)))
    coverage = np.zeros((face_px, face_px))
    for genome, weight in zip(genomes, given, strict=True):
        coverage += weight * mask(genome, face_px)
    return coverage


def region_mask(region: str, face_px: int) -> np.ndarray:
    """The pixels of a region of the standard face, bool (face_px, face_px); a pixel belongs by its centre."""
    centre = (np.arange(face_px) + 0.5) / face_px
    inside = np.zeros((face_px, face_px), bool)
    for x0, y0, x1, y1 in REGIONS[region]:
        inside |= ((centre >= y0) & (centre < y1))[:, None] & ((centre >= x0) & (centre < x1))[None, :]
    return inside


def region_overlaps(genomes: Sequence[Genome], face_px: int, draws: int = 400, seed: int = 0) -> list[Overlap]:
    """The share of the patches' area in each region, beside that of the same sizes at random legal positions."""
    regions = {name: region_mask(name, face_px) for name in REGIONS}
    random = rng(seed, "coverage")
    shares = {name: float(np.mean([_share(g, regions[name]) for g in genomes])) for name in regions}
    chance: dict[str, list[float]] = {name: [] for name in regions}
    for _ in range(draws):
        moved = [_moved(genome, face_px, random) for genome in genomes]
        for name, region in regions.items():
            chance[name].append(float(np.mean([_share(g, region) for g in moved])))
    return [
        Overlap(
            name,
            shares[name],
            float(np.mean(chance[name])),
            *(float(v) for v in np.quantile(chance[name], [0.025, 0.975])),
        )
        for name in regions
    ]


def _share(genome: Genome, region: np.ndarray) -> float:
    """Share of the summed area of the boxes that lies in the region; overlapping boxes count twice, as in the net."""
    inside = whole = 0
    for x0, y0, x1, y1 in (corners(box, len(region)) for box in genome):
        whole += (x1 - x0) * (y1 - y0)
        inside += int(region[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)].sum())
    return inside / whole if whole else 0.0


def _moved(genome: Genome, face_px: int, random: np.random.Generator) -> Genome:
    limits = PatchLimits(face_px, len(genome), True, (1,), face_px**2)
    boxes: list[Box] = []
    for _, _, w, h in genome:
        (x0, x1), (y0, y1) = limits.centres(w, 0), limits.centres(h, 1)
        boxes.append((int(random.integers(x0, x1 + 1)), int(random.integers(y0, y1 + 1)), w, h))
    return tuple(boxes)
