"""Synthetic faces in the layout of SAMM: grey frames, a coding sheet under 13 lines of text."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MicroConfig, Progress, follow

Label = Literal["Anger", "Contempt", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other"]
SUBJECTS = (
    6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 30, 31, 32, 33, 34, 35, 36, 37,
)  # fmt: skip
SHOWN = {"Other": ("others",)}
HEADER = (
    "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro",
    "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
)  # fmt: skip
SHEET_NAME = "SAMM_Micro_FACS_Codes_v2.xlsx"
TEXT_ABOVE = (
    "RENDERED micro-expressions in the layout of SAMM", "These are no recordings of people", None, "Terms",
    "Onset: first frame of the movement", "Apex: frame of the strongest movement", "Offset: last frame of the movement",
    "Duration: offset minus onset plus one", "Micro - 1: shorter than half a second", "Micro - 2: longer", None,
    "Frame numbers are those of the recording", None,
)  # fmt: skip
ASPECT = 960 / 650


class SammConfig(MicroConfig):
    """Options of the rendered SAMM."""

    subjects: int = pydantic.Field(4, ge=1, le=len(SUBJECTS), description="number of subjects")
    size_px: int = pydantic.Field(176, ge=96, le=1024, description="height of the frames")
    clips: dict[Label, int] = pydantic.Field(
        {"Anger": 2, "Contempt": 1, "Disgust": 1, "Happiness": 4, "Surprise": 4, "Other": 1},
        description="clips per subject and label",
    )
    margin: int = pydantic.Field(
        2, ge=0, le=50, description="frames before the onset and after the offset that the folders hold"
    )
    quirks: bool = pydantic.Field(
        True, description="frame numbers of four and five digits, one `or` among the action units"
    )


class Samm(Layout):
    """Writes `SAMM/` and the coding sheet."""

    name = "samm"
    Config = SammConfig

    def count(self, config: SammConfig) -> dict[str, int]:
        """See `Layout.count`; what SAMM calls Other is the class others."""
        return {"others" if name == "other" else name: number for name, number in super().count(config).items()}

    def write(self, out: Path, config: SammConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_xlsx
        from fernas.synth.micro import facts_of, first_number, render_take, takes, wide_camera
        from fernas.synth.truth import Truth

        truth, rows = Truth(self.name, config.seed), []
        camera = wide_camera(config.size_px, ASPECT)
        plan = [t for s in range(config.subjects) for t in takes(self.name, config, s, config.clips, SHOWN)]
        for take in follow(progress, plan, len(plan), "rendering samm"):
            number = SUBJECTS[take.subject]
            folder, filename = f"{number:03d}", f"{number:03d}_{1 + take.order // 4}_{1 + take.order % 4}"
            clip = render_take(self.name, config, take, camera, config.margin)
            first = first_number(take, 120, 9500)
            # the real files pad their numbers to four or five digits
            digits = 4 if config.quirks and take.order % 5 == 4 else 5
            _write_frames(out / "SAMM" / folder / filename, folder, first, digits, clip.frames)
            facts = facts_of(clip, take, first)
            onset, apex, offset = facts["numbers"]
            units = str(facts["units"])
            if config.quirks and take.order == 1:
                # the real file has cells like "R12 or R15"
                units = f"{units} or {units}".replace("0 or 0", "0")
            micro = f"Micro - {1 + (take.order % 2)}"
            cell = int(units) if units.isdigit() else units
            row = (
                number,
                filename,
                1 + take.order // 4,
                onset,
                apex,
                offset,
                offset - onset + 1,
                micro,
                cell,
                take.label,
            )
            rows.append((*row, OBJECTIVE[take.label], None))
            truth.add(f"{folder}/{filename}", _canonical(take.label), subject=folder, raw_label=take.label, **facts)
        above = [(text,) if text else (None,) for text in TEXT_ABOVE]
        write_xlsx(out / SHEET_NAME, {"MICRO ONLY": [*above, HEADER, *rows]})
        return truth.document()


OBJECTIVE = {
    "Happiness": "I", "Surprise": "II", "Anger": "III", "Disgust": "IV", "Sadness": "V", "Fear": "VI",
    "Contempt": "VII", "Other": "VII",
}  # fmt: skip


def _canonical(label: str) -> str:
    return "others" if label == "Other" else label.lower()


def _write_frames(folder: Path, subject: str, first: int, digits: int, frames: Any) -> None:
    from fernas.core.images import to_grey
    from fernas.synth.dataset import write_image

    for i, frame in enumerate(frames):
        write_image(folder / f"{subject}_{first + i:0{digits}d}.jpg", to_grey(frame))


PLUGIN = Samm()
