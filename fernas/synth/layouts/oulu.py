"""Synthetic faces in the layout of Oulu-CASIA: sequences to the apex by camera, lighting, subject, expression."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

if TYPE_CHECKING:
    import numpy as np

Emotion = Literal["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise"]
EMOTIONS: tuple[Emotion, ...] = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
ASPECT = 320 / 240
GAINS = {"Strong": 1.0, "Weak": 0.6, "Dark": 0.3}


class OuluConfig(MacroConfig):
    """Options of the rendered Oulu-CASIA."""

    subjects: int = pydantic.Field(4, ge=1, le=80, description="number of subjects")
    emotions: list[Emotion] = pydantic.Field(list(EMOTIONS), min_length=1, description="expressions per subject")
    frames: int = pydantic.Field(10, ge=6, le=72, description="mean number of frames of a sequence")
    cameras: list[Literal["VL", "NI"]] = pydantic.Field(
        ["VL"], min_length=1, description="visible light, near infra-red"
    )
    lightings: list[Literal["Strong", "Weak", "Dark"]] = pydantic.Field(
        ["Strong"], min_length=1, description="lightings"
    )
    crops: bool = pydantic.Field(False, description="also write PreProcess_Img, the eye-aligned crops")


class Oulu(Layout):
    """Writes `OriginalImg/VL/Strong/P001/Anger/000.jpeg`."""

    name = "oulu"
    Config = OuluConfig

    def count(self, config: OuluConfig) -> dict[str, int]:
        """One sequence per emotion, camera and lighting; see `Layout.count`."""
        return {
            name: number * len(config.cameras) * len(config.lightings) for name, number in super().count(config).items()
        }

    def write(self, out: Path, config: OuluConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`. The truth lists the sequences of VL and Strong."""
        from fernas.synth.macro import Recording, facts_to_apex, render_macro
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        plan = [(i, emotion) for i in range(config.subjects) for emotion in config.emotions]
        for index, emotion in follow(progress, plan, len(plan), "rendering oulu"):
            subject, names = f"P{index + 1:03d}", (str(index), emotion)
            recording = Recording(config.frames, ASPECT, fps=25)
            clip = render_macro(self.name, config, index, names, emotion.lower(), recording)
            # rendered once: camera and lighting change only how it is recorded
            for camera in config.cameras:
                for lighting in config.lightings:
                    self._write_frames(out, camera, lighting, Path(subject) / emotion, clip, config.crops)
            # only what the adapter reads by default: the truth is compared with its manifest
            if "VL" in config.cameras and "Strong" in config.lightings:
                facts = facts_to_apex(clip)
                truth.add(f"{subject}/{emotion}", emotion.lower(), subject=subject, raw_label=emotion, **facts)
        return truth.document()

    def _write_frames(self, out: Path, camera: str, lighting: str, folder: Path, clip: Any, crops: bool) -> None:
        from fernas.synth.dataset import write_image
        from fernas.synth.micro import crop_box

        height, width = clip.frames[0].shape[:2]
        x0, y0, x1, y1 = crop_box(clip.landmarks[0], height, width)
        for i, frame in enumerate(clip.frames):
            image = _recorded_by(camera, frame, GAINS[lighting])
            write_image(out / "OriginalImg" / camera / lighting / folder / f"{i:03d}.jpeg", image)
            if crops:
                target = out / "PreProcess_Img" / f"{camera}_Acropped" / lighting / folder / f"{i:03d}.jpeg"
                write_image(target, image[y0:y1, x0:x1])


def _recorded_by(camera: str, frame: "np.ndarray", gain: float) -> "np.ndarray":
    """The frame under a weaker light; near infra-red is grey and independent of the lamp."""
    import numpy as np

    from fernas.core.images import to_grey

    if camera == "NI":
        return to_grey(frame)
    return frame if gain == 1 else np.round(frame * np.float32(gain)).astype(np.uint8)


PLUGIN = Oulu()
