"""Rendered faces for the tests of faces and dynamic images."""

import functools

import numpy as np
import pandas as pd

from fernas.synth.clips import ClipPlan, render_clip, render_still
from fernas.synth.identity import cached_identity
from fernas.synth.landmarks import five_points
from fernas.synth.render import Camera

EXPRESSIONS = ("neutral", "happiness", "surprise", "anger")


@functools.cache
def still(number: int, size_px: int = 192) -> tuple[np.ndarray, np.ndarray]:
    """One face: RGB uint8 (size, size, 3), float64 (3, 2) eye centres and nose tip."""
    expression = EXPRESSIONS[number % len(EXPRESSIONS)]
    frame, points, _ = render_still(cached_identity(700 + number), expression, Camera.portrait(size_px), seed=number)
    return frame, five_points(points)[:3].astype(np.float64)


@functools.cache
def clip(number: int = 0, frames: int = 9) -> tuple[list[np.ndarray], np.ndarray]:
    """A clip that rises to its last frame: frames and the truth's (T, 3, 2) eyes and nose."""
    plan = ClipPlan("surprise", frames, 0, frames - 1, None, strength=0.9)
    made = render_clip(cached_identity(700 + number), plan, Camera.portrait(192), seed=number)
    return made.frames, np.stack([five_points(points)[:3] for points in made.landmarks])


def manifest(clips: dict[str, int], dataset: str = "toy", **columns: list) -> pd.DataFrame:
    """One row per clip; `clips` maps sample id -> number of frames, references are `<sample_id>#<position>`."""
    count = len(clips)
    table = pd.DataFrame(
        {
            "sample_id": list(clips),
            "dataset": [dataset] * count,
            "frames": [[f"{name}#{t}" for t in range(n)] for name, n in clips.items()],
            "onset": pd.array([0 if n > 1 else None for n in clips.values()], dtype="Int64"),
            "apex": pd.array([n - 1 if n > 1 else None for n in clips.values()], dtype="Int64"),
            "offset": pd.array([n - 1 if n > 1 else None for n in clips.values()], dtype="Int64"),
            "box": [None] * count,
        }
    )
    for name, values in columns.items():
        table[name] = values
    return table


class Shelf:
    """Frames in memory under the references of `manifest`; counts how often each was read."""

    def __init__(self, clips: dict[str, list[np.ndarray]]) -> None:
        self.clips = clips
        self.reads: list[str] = []

    def read(self, dataset: str, ref: str) -> np.ndarray:
        name, position = ref.rsplit("#", 1)
        self.reads.append(ref)
        return self.clips[name][int(position)]
