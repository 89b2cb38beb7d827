"""Clips of full expressions that the macro datasets share."""

from dataclasses import dataclass
from typing import Any

from fernas.core import seeds
from fernas.synth.clips import Clip, ClipPlan, render_clip
from fernas.synth.dataset import person
from fernas.synth.geometry import IPD_SHARE
from fernas.synth.layout import MacroConfig
from fernas.synth.render import Camera
from fernas.synth.truth import points_of, units_of


def portrait_camera(size_px: int, aspect: float) -> Camera:
    """Head and shoulders in an image `aspect` times as wide as high."""
    return Camera(size_px, round(size_px * aspect), size_px * IPD_SHARE)


@dataclass(frozen=True)
class Recording:
    """How a dataset films its expressions.

    Attributes:
        frames: mean number of frames; each clip has up to two more or fewer, at least four.
        aspect: width over height of the images.
        fps: frames per second, for the head's drift.
        returns: whether the face relaxes again; otherwise the clip ends at the apex.
    """

    frames: int
    aspect: float
    fps: float
    returns: bool = False


def render_macro(
    layout: str, config: MacroConfig, index: int, names: tuple[str, ...], expression: str, recording: Recording
) -> Clip:
    """Render one expression of the `index`-th subject.

    Args:
        layout: the layout, for seeds.
        config: its options.
        index: which subject.
        names: what distinguishes this clip from all others of the dataset, for seeds.
        expression: key of PROTOTYPES.
        recording: length and form of the clip.
    """
    seed = seeds.derive_seed(config.seed, layout, *names)
    rng = seeds.rng(seed, "plan")
    # lengths vary, as those of recorded sequences do
    length = max(4, recording.frames + int(rng.integers(-2, 3)))
    strength = min(1.0, config.intensity * rng.uniform(0.8, 1.2))
    plan = ClipPlan(
        expression=expression,
        frames=length,
        onset=0,
        # without a return, the last two frames hold the apex
        apex=max(1, round(0.45 * (length - 1)) if recording.returns else length - 2),
        offset=length - 1 if recording.returns else None,
        strength=strength,
        seconds=length / recording.fps,
        idle=config.idle,
        noise=config.noise,
        head_motion=config.head_motion,
    )
    camera = portrait_camera(config.size_px, recording.aspect)
    return render_clip(person(layout, config, index), plan, camera, seed)


def facts_to_apex(clip: Clip) -> dict[str, Any]:
    """The facts of a sequence that ends at its apex, for the truth: landmarks of its first and last frame."""
    last = len(clip.frames) - 1
    return {
        "frames": last + 1, "onset": 0, "apex": last, "units": units_of(clip.expression), "skin_tone": clip.skin,
        "landmarks": {str(i): points_of(clip.landmarks[i]) for i in (0, last)},
    }  # fmt: skip
