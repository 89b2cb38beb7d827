"""Patches that were not evolved, with as many parameters as a network that was: the baselines of Deep Evolution."""

import itertools

from pydantic import Field

from fernas.core.architecture import PatchesArchitecture, read_architecture
from fernas.core.errors import ConfigError, ScienceError
from fernas.learn.config import Options
from fernas.search.context import SearchContext
from fernas.spaces.patches import GRID, NOSE, Box, Genome, boxes_on, canonical_order, pooled_area

# By hand on the standard face: centres (x, y) as fractions of its side, and the wanted width by height.
EYES, MOUTH = ((0.31, 0.29), (0.69, 0.29)), (0.5, 0.80)
EYE_SHAPE, MOUTH_SHAPE = 1.5, 2.0


class ShareConfig(Options):
    """How large the patches are where `params_from` names no run whose parameters they take."""

    share: float = Field(default=0.05, gt=0, le=0.5, description="share of the face; unused with params_from")


def other_boxes(context: SearchContext) -> Genome | None:
    """The boxes of the network whose size is taken over, in this task's pixels; None without one.

    Raises:
        ScienceError: its search failed.
        ConfigError: it is no network of patches.
    """
    source = context.source
    if source is None:
        return None
    # a failed search leaves an empty file
    if not source.stat().st_size:
        raise ScienceError(f"the search of {source.parent} failed")
    architecture = read_architecture(source)
    if not isinstance(architecture, PatchesArchitecture):
        raise ConfigError(f"{source}: params_from needs a network of patches, got kind {architecture.kind}")
    return boxes_on(architecture, *context.input_shape[1:])


def eyes_and_mouth(face_px: int, area_px: int) -> Genome:
    """Two boxes on the eyes and their brows and one on the mouth, whose area is as near to `area_px` as it can be.

    Of equally near ones those whose shapes are nearest to 3:2 and 2:1, and whose eyes and mouth are alike in area.
    """
    sides = range(GRID, face_px // 2 + 1, GRID)
    best: tuple[float, float] | None = None
    sizes = (GRID, GRID, GRID, GRID)
    for we, he, wm, hm in itertools.product(sides, repeat=4):
        miss = abs(2 * we * he + wm * hm - area_px)
        # area first: shapes decide among equally near areas alone
        if best is not None and miss > best[0]:
            continue
        shape = abs(we / he / EYE_SHAPE - 1) + abs(wm / hm / MOUTH_SHAPE - 1) + abs(we * he / (wm * hm) - 1)
        if best is None or (miss, shape) < best:
            best, sizes = (miss, shape), (we, he, wm, hm)
    we, he, wm, hm = sizes
    boxes: list[Box] = [(*_offset(centre, face_px), we, he) for centre in EYES]
    boxes.append((*_offset(MOUTH, face_px), wm, hm))
    return tuple(sorted(boxes, key=canonical_order))


def _offset(centre: tuple[float, float], face_px: int) -> tuple[int, int]:
    return round((centre[0] - NOSE[0]) * face_px), round((centre[1] - NOSE[1]) * face_px)


def wanted_area(boxes: Genome | None, share: float, face_px: int) -> int:
    """The area whose parameters are those of `boxes`, or a share of the face."""
    if boxes is None:
        return max(GRID**2, int(share * face_px**2))
    return pooled_area(boxes) * GRID**2
