"""Clips of micro-expressions, shared by the layouts of micro datasets: their order, length and expressions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core import seeds
from fernas.synth.clips import Clip, ClipPlan, render_clip
from fernas.synth.dataset import person, write_image
from fernas.synth.landmarks import face_box
from fernas.synth.layout import MicroConfig
from fernas.synth.render import Camera
from fernas.synth.truth import points_of, units_of


@dataclass(frozen=True)
class Take:
    """One clip to render: the `order`-th of a subject; `k` counts the clips of its label from 1."""

    subject: int
    order: int
    label: str
    k: int
    expression: str
    seed: int


def takes(
    layout: str, config: MicroConfig, subject: int, clips: Mapping[Any, int], shown: Mapping[str, Sequence[str]]
) -> Iterator[Take]:
    """The clips of one subject in an order that does not depend on the labels.

    Args:
        layout: the layout's name, for seeds.
        config: its options.
        subject: index of the subject.
        clips: label -> number of clips per subject.
        shown: label -> expressions that carry it (default: the lower-cased label).
    """
    labels = [(label, k) for label, count in clips.items() for k in range(1, count + 1)]
    order = seeds.rng(config.seed, layout, subject, "order").permutation(len(labels))
    for position, at in enumerate(order.tolist()):
        label, k = labels[at]
        # by label and count, not by position: more clips of one label leave those of the others as they are
        seed = seeds.derive_seed(config.seed, layout, subject, "clip", label, k)
        choices = shown.get(label, (label.lower(),))
        expression = choices[int(seeds.rng(seed, "choice").integers(len(choices)))]
        yield Take(subject, position, label, k, expression, seed)


def render_take(layout: str, config: MicroConfig, take: Take, camera: Camera, margin: int = 0) -> Clip:
    """Render a take with `margin` neutral frames before the onset and after the offset."""
    rng = seeds.rng(take.seed, "plan")
    length = max(6, config.frames + int(rng.integers(-2, 3)))
    apex = round((length - 1) * rng.uniform(0.38, 0.6))
    plan = ClipPlan(
        expression=take.expression,
        frames=length + 2 * margin,
        onset=margin,
        apex=margin + apex,
        offset=margin + length - 1,
        strength=min(1.0, config.intensity * rng.uniform(0.75, 1.25)),
        seconds=float(rng.uniform(0.25, 0.5)),
        # a share of the intensity: full idle units would drown a weak expression
        idle=config.idle * config.intensity,
        noise=config.noise,
        head_motion=config.head_motion,
    )
    return render_clip(person(layout, config, take.subject), plan, camera, take.seed)


def first_number(take: Take, low: int, high: int) -> int:
    """Number of a clip's first frame in its long recording."""
    return int(seeds.rng(take.seed, "number").integers(low, high))


def wide_camera(size_px: int, aspect: float) -> Camera:
    """Head and shoulders in a landscape image."""
    return Camera(size_px, round(size_px * aspect), size_px * 0.25)


def crop_camera(size_px: int) -> Camera:
    """A registered face crop: about 3.4 pupil distances high and 2.9 wide."""
    return Camera(size_px, round(size_px * 0.85), size_px / 3.4, 0.5, 0.54)


def crop_box(landmarks: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1) of a face crop with forehead and chin around (68, 2) landmarks, inside the image."""
    x0, y0, x1, y1 = face_box(landmarks)
    wide, tall = x1 - x0, y1 - y0
    low = np.floor([x0 - 0.12 * wide, y0 - 0.38 * tall]).astype(int)
    high = np.ceil([x1 + 0.12 * wide, y1 + 0.10 * tall]).astype(int)
    return max(0, int(low[0])), max(0, int(low[1])), min(width, int(high[0])), min(height, int(high[1]))


def write_frames(folder: Path, name: str, first: int, clip: Clip, cropped: bool = False) -> None:
    """Write the frames of a clip, whole or cut to the face; `name` is formatted with numbers from `first` on."""
    height, width = clip.frames[0].shape[:2]
    x0, y0, x1, y1 = crop_box(clip.landmarks[0], height, width) if cropped else (0, 0, width, height)
    for number, frame in enumerate(clip.frames, start=first):
        write_image(folder / name.format(number), frame[y0:y1, x0:x1])


def facts_of(clip: Clip, take: Take, first: int) -> dict[str, Any]:
    """The facts of a clip for the truth: positions, original numbers, units, strength, landmarks at onset and apex."""
    plan = clip.plan
    reference = (plan.onset, plan.apex)
    # relative to the clip's own strength, so that weak clips are coded too
    units = units_of(clip.expression.scaled(1 / plan.strength))
    return {
        "frames": len(clip.frames), "skin_tone": clip.skin, "onset": plan.onset, "apex": plan.apex,
        "offset": plan.offset, "numbers": [first + plan.onset, first + plan.apex, first + (plan.offset or plan.apex)],
        "expression": take.expression, "units": units, "strength": round(plan.strength, 3),
        "landmarks": {str(i): points_of(clip.landmarks[i]) for i in reference},
    }  # fmt: skip
