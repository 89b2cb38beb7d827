"""Synthetic faces in the layout of DISFA: one long video per subject, units coded frame by frame, no labels.

The coded units of a planted expression rise and fall together, so that the usual rules over them (EMFACS-like, see the
adapter) find exactly that expression; the truth lists what the adapter's default rule must find.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

if TYPE_CHECKING:
    import numpy as np

    from fernas.synth.clips import Clip

SUBJECTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32)
CODED = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
Emotion = Literal["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
EMOTIONS: tuple[Emotion, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
UNITS: dict[str, tuple[int, ...]] = {
    "anger": (4, 5, 17), "disgust": (9, 17), "fear": (1, 2, 4, 5, 20, 25), "happiness": (6, 12, 25),
    "sadness": (1, 4, 15, 17),
    "surprise": (1, 2, 5, 25, 26),
}  # fmt: skip
# the unit whose levels decide, and the level from which the default rule speaks
DECIDES = {"fear": 1, "surprise": 2, "sadness": 2, "disgust": 2, "anger": 2, "happiness": 2}
AROUND = 3
ASPECT = 1024 / 768
FPS = 20.0


class DisfaConfig(MacroConfig):
    """Options of the rendered DISFA."""

    subjects: int = pydantic.Field(4, ge=1, le=len(SUBJECTS), description="number of subjects")
    intensity: float = pydantic.Field(
        0.8, ge=0.5, le=1, description="strength of the expressions at their apex, 1 = full"
    )
    emotions: list[Emotion] = pydantic.Field(list(EMOTIONS), min_length=1, description="expressions per subject")
    repeats: int = pydantic.Field(1, ge=1, le=10, description="times each subject shows each expression")
    frames: int = pydantic.Field(16, ge=8, le=200, description="frames of an expression from onset to offset")
    rest: int = pydantic.Field(7, ge=3, le=200, description="neutral frames between two expressions")
    right_camera: bool = pydantic.Field(False, description="also write the right camera's videos (the same images)")


class Disfa(Layout):
    """Writes `Videos_LeftCamera/`, `ActionUnit_Labels/` and optionally `Video_RightCamera/`."""

    name = "disfa"
    Config = DisfaConfig

    def count(self, config: DisfaConfig) -> dict[str, int]:
        """Three images around each peak, and three neutral ones of each subject; see `Layout.count`."""
        shown = {name: 3 * config.repeats * number for name, number in super().count(config).items()}
        return {**shown, "neutral": 3 * config.subjects}

    def write(self, out: Path, config: DisfaConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import person, write_video
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        for index in follow(progress, range(config.subjects), config.subjects, "rendering disfa"):
            subject = f"SN{SUBJECTS[index]:03d}"
            frames, codes, planted = self._film(config, index)
            write_video(out / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi", frames, FPS)
            if config.right_camera:
                write_video(out / "Video_RightCamera" / f"RightVideo{subject}_Comp.avi", frames, FPS)
            _write_codes(out / "ActionUnit_Labels" / subject, subject, codes)
            for emotion, start, levels in planted:
                _note_expression(truth, subject, emotion, start, levels)
            _note_neutral(truth, subject, codes)
            for row in truth.clips:
                if row["subject"] == f"{self.name}/{subject}":
                    row["skin_tone"] = person(self.name, config, index).face.skin_word()
        return truth.document()

    def _film(
        self, config: DisfaConfig, index: int
    ) -> tuple[list["np.ndarray"], "np.ndarray", list[tuple[str, int, "np.ndarray"]]]:
        """Frames, coded levels int (T, 12), and the expressions: (name, first frame from 0, levels per frame)."""
        import numpy as np

        from fernas.core import seeds

        emotions = [emotion for emotion in config.emotions for _ in range(config.repeats)]
        order = seeds.rng(config.seed, self.name, index, "order").permutation(len(emotions))
        frames: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        planted = []
        for at, chosen in enumerate(order.tolist()):
            clip = _show(config, index, at, emotions[chosen])
            # DISFA codes whole intensities from 0 to 5
            levels = np.round(5 * config.intensity * clip.envelope).astype(int)
            planted.append((emotions[chosen], len(frames), levels))
            block = np.zeros((len(levels), len(CODED)), int)
            block[:, [CODED.index(unit) for unit in UNITS[emotions[chosen]]]] = levels[:, None]
            frames += clip.frames
            codes.append(block)
        return frames, np.concatenate(codes), planted


def _show(config: DisfaConfig, index: int, at: int, emotion: str) -> "Clip":
    """Rest, the expression, rest; every planted unit is shown for certain."""
    from fernas.core import seeds
    from fernas.synth.clips import ClipPlan, render_clip
    from fernas.synth.dataset import person
    from fernas.synth.macro import portrait_camera

    seed = seeds.derive_seed(config.seed, "disfa", index, at)
    rest = config.rest + at % 2
    plan = ClipPlan(
        expression=emotion, frames=rest + config.frames, onset=rest, apex=rest + config.frames // 2,
        offset=rest + config.frames - 1, strength=config.intensity, seconds=(rest + config.frames) / FPS,
        idle=config.idle, noise=config.noise, head_motion=config.head_motion, pose=0.3,
    )  # fmt: skip
    return render_clip(person("disfa", config, index), plan, portrait_camera(config.size_px, ASPECT), seed)


def _write_codes(folder: Path, subject: str, codes: "np.ndarray") -> None:
    """One file per unit, frames from 1; labels run one frame longer than the video, as some copies do."""
    from fernas.synth.dataset import write_lines

    for column, unit in enumerate(CODED):
        levels = [*codes[:, column].tolist(), 0]
        write_lines(folder / f"{subject}_au{unit}.txt", (f"{i},{level}" for i, level in enumerate(levels, start=1)))


def _runs(flags: "np.ndarray") -> list[tuple[int, int]]:
    import numpy as np

    # not imported from the adapter, whose selection this truth checks
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _note_expression(truth: Any, subject: str, emotion: str, start: int, levels: "np.ndarray") -> None:
    """The AROUND frames about the first strongest one of each stretch in which the rule speaks."""
    for low, high in _runs(levels >= DECIDES[emotion]):
        top = low + int(levels[low:high].argmax())
        first = max(low, min(top - (AROUND - 1) // 2, high - AROUND))
        for frame in range(first, min(first + AROUND, high)):
            number = start + frame + 1
            truth.add(
                f"{subject}/{emotion}_{start + low + 1:05d}/{number:05d}", emotion, subject=subject, frame=number,
                frames=1,
            )  # fmt: skip


def _note_neutral(truth: Any, subject: str, codes: "np.ndarray") -> None:
    """The middle frames of the ten longest stretches without any unit."""
    quiet = sorted(_runs((codes == 0).all(axis=1)), key=lambda run: (run[0] - run[1], run[0]))[:10]
    for low, high in sorted(quiet):
        number = (low + high - 1) // 2 + 1
        truth.add(f"{subject}/neutral_{low + 1:05d}/{number:05d}", "neutral", subject=subject, frame=number, frames=1)


PLUGIN = Disfa()
