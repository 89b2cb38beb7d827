"""Synthetic faces in the layout of ISED: short videos from neutral to apex, peak images, a table of 16 columns."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

CODES = {"happiness": 1, "surprise": 2, "sadness": 3, "disgust": 4}
Emotion = Literal["happiness", "surprise", "sadness", "disgust"]
COLUMNS = 16
ASPECT = 1920 / 1080
FPS = 50.0
MAT_HEADER = b"MATLAB 5.0 MAT-file, RENDERED by fernas"


class IsedConfig(MacroConfig):
    """Options of the rendered ISED."""

    subjects: int = pydantic.Field(4, ge=1, le=50, description="number of subjects")
    intensity: float = pydantic.Field(
        0.8, gt=0, le=1, description="mean strength at the apex, 1 = full; each one varies by a fifth"
    )
    clips: dict[Emotion, int] = pydantic.Field(
        {"happiness": 3, "surprise": 2, "sadness": 1, "disgust": 2}, description="clips per subject and label"
    )
    frames: int = pydantic.Field(12, ge=6, le=200, description="mean number of frames of a clip")
    table: Literal["mat", "csv"] = pydantic.Field(
        "mat", description="form of the table: ISED_details.mat or ised_details.csv"
    )


class Ised(Layout):
    """Writes `videos/PS 1/4.avi`, `peakImages/1_4_7.jpg` and the table."""

    name = "ised"
    Config = IsedConfig

    def write(self, out: Path, config: IsedConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.core import seeds
        from fernas.synth.dataset import write_lines
        from fernas.synth.truth import Truth

        truth, rows = Truth(self.name, config.seed), []
        plan: list[tuple[int, int, Emotion]] = []
        for index in range(config.subjects):
            emotions = [emotion for emotion, count in config.clips.items() for _ in range(count)]
            order = seeds.rng(config.seed, self.name, index, "order").permutation(len(emotions))
            plan += [(index, 1 + video + video // 3, emotions[at]) for video, at in enumerate(order.tolist())]
        for index, video, emotion in follow(progress, plan, len(plan), "rendering ised"):
            rows.append(self._write_clip(out, config, index, video, emotion, truth))
        if config.table == "csv":
            write_lines(out / "ised_details.csv", (",".join(map(str, row)) for row in rows))
        else:
            _write_mat(out / "ISED_details.mat", rows)
        return truth.document()

    def _write_clip(
        self, out: Path, config: IsedConfig, index: int, video: int, emotion: Emotion, truth: Any
    ) -> tuple[object, ...]:
        """Write video and peak image; returns the row of the table."""
        from fernas.synth.dataset import write_image, write_video
        from fernas.synth.landmarks import face_box
        from fernas.synth.macro import Recording, render_macro
        from fernas.synth.truth import points_of, units_of

        participant = index + 1
        recording = Recording(config.frames, ASPECT, FPS)
        clip = render_macro(self.name, config, index, (str(index), str(video)), emotion, recording)
        last = len(clip.frames) - 1
        # the peak is not the last frame: videos of ISED end in the apex region
        peak = max(1, last - 1)
        write_video(out / "videos" / f"PS {participant}" / f"{video}.avi", clip.frames, FPS)
        image = f"{participant}_{video}_{peak + 1}.jpg"
        write_image(out / "peakImages" / image, clip.frames[peak])
        truth.add(
            f"{participant}/{video}", emotion, subject=str(participant), raw_label=str(CODES[emotion]), frames=last + 1,
            onset=0, apex=peak, offset=last, numbers=[peak + 1], units=units_of(clip.expression), skin_tone=clip.skin,
            landmarks={str(i): points_of(clip.landmarks[i]) for i in (0, peak)},
        )  # fmt: skip
        x0, y0, x1, y1 = (round(float(v)) for v in face_box(clip.landmarks[peak]))
        box = f"{x0} {y0} {x1 - x0} {y1 - y0}"
        # paths as Windows writes them, which the adapter must not rely on
        paths = (f"videos\\PS {participant}\\{video}.avi", f"peakImages\\{image}")
        who = ("m" if index % 2 else "f", "n", "n", "n")
        # the participant's id differs from the number that the folders use
        return (participant, 100 + 7 * participant, video, peak + 1, *paths, CODES[emotion], 3, *who, box, "", "", "")


def _write_mat(path: Path, rows: list[tuple[object, ...]]) -> None:
    """The table as a cell array; the header's date is replaced so that the bytes are the same each time."""
    import io

    import numpy as np
    from scipy.io import savemat

    cells = np.empty((len(rows), COLUMNS), object)
    for at, row in enumerate(rows):
        cells[at] = [float(cell) if isinstance(cell, int) else str(cell) for cell in row]
    buffer = io.BytesIO()
    savemat(buffer, {"ISED_details": cells})
    # the first 116 bytes are free text, in which scipy writes the date
    path.write_bytes(MAT_HEADER.ljust(116) + buffer.getvalue()[116:])


PLUGIN = Ised()
