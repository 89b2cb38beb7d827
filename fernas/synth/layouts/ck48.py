"""Synthetic faces in the layout of CK48: the last frames of the rendered CK+ as 48 x 48 grey faces by class."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from fernas.synth.layout import Layout, Progress, follow
from fernas.synth.layouts import ckplus

if TYPE_CHECKING:
    import numpy as np

FOLDERS = {**{name: name for name in ckplus.CODES}, "happiness": "happy"}
SIDE_PX = 48


class Ck48Config(ckplus.CkPlusConfig):
    """Options of the rendered CK48: those of the rendered CK+ it is cut from."""

    last: int = pydantic.Field(3, ge=1, le=10, description="frames from the end of each sequence")


class Ck48(Layout):
    """Writes `CK+48/<class>/S010_004_00000017.png`."""

    name = "ck48"
    Config = Ck48Config

    def count(self, config: Ck48Config) -> dict[str, int]:
        """The last frames of each sequence; see `Layout.count`."""
        return {name: number * config.sequences * config.last for name, number in super().count(config).items()}

    def write(self, out: Path, config: Ck48Config, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        for index in follow(progress, range(config.subjects), config.subjects, "rendering ck48"):
            subject = ckplus.subject_name(index)
            for sequence, emotion in ckplus.sequences_of(config, index):
                if emotion is not None:
                    self._write_sequence(out, config, index, subject, sequence, emotion, truth)
        return truth.document()

    def _write_sequence(
        self, out: Path, config: Ck48Config, index: int, subject: str, sequence: str, emotion: str, truth: Any
    ) -> None:
        from fernas.synth.dataset import write_image

        # the same seeds as ckplus: CK48 is cut from CK+, so both show the same subjects
        clip = ckplus.render_sequence(config, index, sequence, emotion)
        for at in range(max(0, len(clip.frames) - config.last), len(clip.frames)):
            number = f"{at + 1:08d}"
            face = _cut(clip.frames[at], clip.landmarks[at])
            write_image(out / "CK+48" / FOLDERS[emotion] / f"{subject}_{sequence}_{number}.png", face)
            truth.add(
                f"{subject}/{sequence}/{number}", emotion, subject=subject, raw_label=FOLDERS[emotion], frames=1,
                skin_tone=clip.skin,
            )  # fmt: skip


def _cut(frame: "np.ndarray", landmarks: "np.ndarray") -> "np.ndarray":
    """The square around the face, grey (48, 48)."""
    from fernas.core.images import resize, to_grey
    from fernas.synth.landmarks import face_box

    x0, y0, x1, y1 = face_box(landmarks)
    side = 1.1 * max(x1 - x0, y1 - y0)
    # a little higher than the landmarks' centre, which have no forehead
    left, top = int(max(0, (x0 + x1 - side) / 2)), int(max(0, (y0 + y1 - side) / 2 - 0.04 * side))
    return resize(to_grey(frame[top : top + int(side), left : left + int(side)]), SIDE_PX, SIDE_PX)


PLUGIN = Ck48()
