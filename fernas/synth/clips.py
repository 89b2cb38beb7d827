"""Clips: how an expression rises and falls while the head drifts."""

from dataclasses import dataclass

import numpy as np

from fernas.core import seeds
from fernas.synth.action_units import Expression, sample_expression
from fernas.synth.geometry import smoothstep
from fernas.synth.identity import Identity
from fernas.synth.render import Camera, Pose, render_frame, sample_pose, scene_behind

MOTION_SD = np.array([0.004, 0.004, 0.12, 0.004, 0.003])
"""Stationary spread of the head's drift: shift x, y (IPD), roll (degrees), yaw, pitch (parallax units)."""

MOTION_RATE = 1.5
"""How fast the drift forgets, per second."""


@dataclass(frozen=True)
class ClipPlan:
    """What happens in a clip.

    Attributes:
        expression: key of PROTOTYPES.
        frames: number of frames.
        onset, apex, offset: frame positions; offset None holds the apex to the end (CK+).
        strength: strength of the apex, 1 = the full expression.
        seconds: how long the clip lasts in the world (for the head's drift).
        idle: spread of units that have nothing to do with the expression.
        noise: sensor noise in grey levels.
        head_motion: factor on the head's drift.
        pose: factor on the deviation from a frontal head.
    """

    expression: str
    frames: int
    onset: int
    apex: int
    offset: int | None
    strength: float
    seconds: float = 0.4
    idle: float = 0.03
    noise: float = 2.5
    head_motion: float = 1.0
    pose: float = 0.6


@dataclass(frozen=True)
class Clip:
    """A clip: RGB uint8 (H, W, 3) frames, landmarks float32 (T, 68, 2) px, envelope (T,), what was shown, skin tone."""

    plan: ClipPlan
    frames: list[np.ndarray]
    landmarks: np.ndarray
    envelope: np.ndarray
    expression: Expression
    skin: str


def envelope(frames: int, onset: int, apex: int, offset: int | None) -> np.ndarray:
    """Strength over a clip, float32 (frames,): 0 up to the onset, 1 at the apex, 0 from the offset on, smooth."""
    t = np.arange(frames, dtype=np.float32)
    rise = smoothstep(onset, apex, t) if apex > onset else (t >= apex).astype(np.float32)
    if offset is None or offset <= apex:
        return rise.astype(np.float32)
    return (rise * (1 - smoothstep(apex + 0.15 * (offset - apex), offset, t))).astype(np.float32)


def head_drift(rng: np.random.Generator, frames: int, seconds: float) -> np.ndarray:
    """An Ornstein-Uhlenbeck walk from rest, float64 (frames, 5) in the units of MOTION_SD."""
    step = MOTION_RATE * seconds / max(1, frames)
    # Euler-Maruyama step of dx = -r x dt + sd sqrt(2 r) dW, whose stationary spread is sd
    kicks = rng.standard_normal((frames, 5)) * MOTION_SD * np.sqrt(2 * step)
    drift = np.zeros((frames, 5))
    for i in range(1, frames):
        drift[i] = (1 - step) * drift[i - 1] + kicks[i]
    return drift


def render_clip(identity: Identity, plan: ClipPlan, camera: Camera, seed: int) -> Clip:
    """Render a clip; the seed decides expression details, pose, drift, flicker and noise."""
    # one stream per purpose: a change of the pose leaves expression and noise of a seed as they are
    base = sample_pose(seeds.rng(seed, "pose"), plan.pose)
    shown = sample_expression(plan.expression, seeds.rng(seed, "expression"), 1.0, 0.0).scaled(plan.strength)
    resting = sample_expression("neutral", seeds.rng(seed, "rest"), 1.0, 0.3 * plan.idle)
    stray = sample_expression("neutral", seeds.rng(seed, "stray"), 1.0, plan.idle)
    rise = envelope(plan.frames, plan.onset, plan.apex, plan.offset)
    # idle units are 0 at both ends, so that they add no change between the first and the last frame
    strays = 1 - np.cos(np.linspace(0, 2 * np.pi, plan.frames)) if plan.offset is not None else 2 * rise
    drift = head_drift(seeds.rng(seed, "drift"), plan.frames, plan.seconds) * plan.head_motion
    flicker = (
        # correlated over eight frames, unlike the noise of the sensor
        1 + np.convolve(seeds.rng(seed, "flicker").normal(0, 0.001, plan.frames), 0.9 ** np.arange(8))[: plan.frames]
    )
    grain = seeds.rng(seed, "grain")
    scene = scene_behind(identity.seed, camera.height_px, camera.width_px)
    show = identity.expressivity.activation
    still, peak, noise_units = show(resting), show(shown), show(stray)
    frames, landmarks = [], []
    for i in range(plan.frames):
        activation = still + rise[i] * peak + np.float32(0.5 * strays[i]) * noise_units
        pose: Pose = base.moved(*drift[i].tolist())
        frame, points = render_frame(identity, activation, camera, pose, scene, float(flicker[i]), (plan.noise, grain))
        frames.append(frame)
        landmarks.append(points)
    return Clip(plan, frames, np.stack(landmarks), rise, shown, identity.face.skin_word())


def render_still(
    identity: Identity,
    expression: str,
    camera: Camera,
    seed: int,
    strength: float = 1.0,
    idle: float = 0.06,
    noise: float = 2.5,
    pose: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, Expression]:
    """One image of an expression: RGB uint8 (H, W, 3), landmarks float32 (68, 2) px, the expression shown."""
    shown = sample_expression(expression, seeds.rng(seed, "expression"), strength, idle)
    head = sample_pose(seeds.rng(seed, "pose"), pose)
    gain = float(seeds.rng(seed, "gain").uniform(0.85, 1.12))
    scene = scene_behind(identity.seed, camera.height_px, camera.width_px)
    activation = identity.expressivity.activation(shown)
    frame, points = render_frame(identity, activation, camera, head, scene, gain, (noise, seeds.rng(seed, "grain")))
    return frame, points, shown
