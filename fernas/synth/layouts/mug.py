"""Synthetic faces in the layout of MUG: takes from neutral over an apex back to neutral, folders of mixed depth."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

Emotion = Literal["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
EMOTIONS: tuple[Emotion, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
MAX_SUBJECTS = 86


class MugConfig(MacroConfig):
    """Options of the rendered MUG."""

    subjects: int = pydantic.Field(4, ge=1, le=MAX_SUBJECTS, description="number of subjects")
    emotions: list[Emotion] = pydantic.Field(list(EMOTIONS), min_length=1, description="expressions per subject")
    takes: int = pydantic.Field(1, ge=1, le=20, description="takes per subject and expression")
    frames: int = pydantic.Field(16, ge=8, le=200, description="mean number of frames of a take")
    quirks: bool = pydantic.Field(
        True, description="folders of other depths, gaps in take numbers, an unknown expression"
    )


class Mug(Layout):
    """Writes `subjects3/<subject>/[session0/]<expression>/take<n>/`."""

    name = "mug"
    Config = MugConfig

    def count(self, config: MugConfig) -> dict[str, int]:
        """So many takes of each emotion; see `Layout.count`."""
        return {name: number * config.takes for name, number in super().count(config).items()}

    def write(self, out: Path, config: MugConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        for index in follow(progress, range(config.subjects), config.subjects, "rendering mug"):
            subject = f"{index + 1:03d}"
            # some subjects have sessions, some archives unpack into a doubled folder
            between = {1: "session0", 3: subject}.get(index % 4, "") if config.quirks else ""
            folder = out / "subjects3" / subject / between
            for emotion in config.emotions:
                for take in range(config.takes):
                    name = f"take{2 * take if config.quirks else take:03d}"
                    clip = self._write_take(folder, config, index, emotion, name)
                    session = f"{between}_" if between.startswith("session") else ""
                    self._note(truth, subject, f"{session}{emotion}_{name}", emotion, clip)
        if config.quirks:
            self._write_take(out / "subjects3" / "001", config, 0, "mixed", "take000")
            truth.note("001/mixed: a folder of no known expression")
        return truth.document()

    def _write_take(self, folder: Path, config: MugConfig, index: int, emotion: str, take: str) -> Any:
        from fernas.synth.dataset import write_image
        from fernas.synth.macro import Recording, render_macro

        shown = "others" if emotion == "mixed" else emotion
        recording = Recording(config.frames, aspect=1.0, fps=19, returns=True)
        clip = render_macro(self.name, config, index, (str(index), emotion, take), shown, recording)
        for i, frame in enumerate(clip.frames):
            write_image(folder / emotion / take / f"img_{i:04d}.jpg", frame)
        return clip

    def _note(self, truth: Any, subject: str, clip_id: str, emotion: str, clip: Any) -> None:
        from fernas.synth.truth import points_of, units_of

        plan = clip.plan
        truth.add(
            f"{subject}/{clip_id}", emotion, subject=subject, raw_label=emotion, frames=plan.frames, onset=plan.onset,
            apex=plan.apex, offset=plan.offset, apex_annotated=False, units=units_of(clip.expression),
            skin_tone=clip.skin,
            landmarks={str(i): points_of(clip.landmarks[i]) for i in (plan.onset, plan.apex)},
        )  # fmt: skip


PLUGIN = Mug()
