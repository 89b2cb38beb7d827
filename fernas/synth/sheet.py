"""Contact sheets of rendered faces for documentation: identities by expressions, or one clip as a strip."""

from collections.abc import Sequence

import numpy as np

from fernas.core import seeds
from fernas.synth.clips import ClipPlan, render_clip, render_still
from fernas.synth.dataset import person
from fernas.synth.layout import LayoutConfig
from fernas.synth.render import Camera, one_thread

EXPRESSIONS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


def sheet(
    dataset: str,
    config: LayoutConfig,
    people: int = 4,
    expressions: Sequence[str] = EXPRESSIONS,
    size_px: int = 128,
    strength: float = 0.9,
) -> np.ndarray:
    """The first people of a rendered dataset, one per row, each with every expression.

    Args:
        dataset: the dataset whose people are shown.
        config: its options; seed, variety, idle and noise are used.
        people: number of rows.
        expressions: the columns.
        size_px: side of one image.
        strength: strength of the expressions.

    Returns:
        RGB uint8 (people * size_px, len(expressions) * size_px, 3).
    """
    camera = Camera(size_px, size_px, 0.27 * size_px)
    rows = []
    with one_thread():
        for index in range(people):
            identity = person(dataset, config, index)
            cells = []
            for expression in expressions:
                seed = seeds.derive_seed(config.seed, dataset, index, "sheet", expression)
                cells.append(
                    render_still(identity, expression, camera, seed, strength, config.idle, config.noise, 0.6)[0]
                )
            rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def strip(
    dataset: str,
    config: LayoutConfig,
    expression: str,
    frames: int = 9,
    index: int = 0,
    size_px: int = 128,
    strength: float = 0.9,
) -> np.ndarray:
    """One person's expression from onset over apex to offset as a row, RGB uint8 (size_px, frames * size_px, 3)."""
    plan = ClipPlan(expression, frames, 0, frames // 2, frames - 1, strength, noise=config.noise)
    seed = seeds.derive_seed(config.seed, dataset, index, "strip", expression)
    with one_thread():
        clip = render_clip(person(dataset, config, index), plan, Camera(size_px, size_px, 0.27 * size_px), seed)
    return np.concatenate(clip.frames, axis=1)
