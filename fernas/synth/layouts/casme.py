"""Synthetic faces in the layout of CASME: frames named after their clip, a coding sheet with two apex columns."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MicroConfig, Progress, follow

Label = Literal["tense", "disgust", "repression", "surprise", "happiness", "sadness", "fear", "contempt"]
MAX_SUBJECTS = 19
HEADER = ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU", "Emotion")
ASPECT = 640 / 480


class CasmeConfig(MicroConfig):
    """Options of the rendered CASME."""

    subjects: int = pydantic.Field(4, ge=1, le=MAX_SUBJECTS, description="number of subjects")
    size_px: int = pydantic.Field(176, ge=96, le=1024, description="height of the raw frames")
    clips: dict[Label, int] = pydantic.Field(
        {"tense": 3, "disgust": 3, "repression": 3, "surprise": 3}, description="clips per subject and label"
    )
    trees: list[Literal["raw_selected", "cropped"]] = pydantic.Field(
        ["raw_selected", "cropped"], min_length=1, description="which of the shipped trees to write"
    )


class Casme(Layout):
    """Writes `CASME_raw_selected/`, `Cropped/` and `casme.xlsx`."""

    name = "casme"
    Config = CasmeConfig

    def write(self, out: Path, config: CasmeConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_xlsx
        from fernas.synth.micro import facts_of, first_number, render_take, takes, wide_camera, write_frames
        from fernas.synth.truth import Truth

        truth, rows = Truth(self.name, config.seed), []
        camera = wide_camera(config.size_px, ASPECT)
        plan = [t for s in range(config.subjects) for t in takes(self.name, config, s, config.clips, {})]
        for at, take in enumerate(follow(progress, plan, len(plan), "rendering casme")):
            clip = render_take(self.name, config, take, camera)
            first = first_number(take, 1, 180)
            folder, filename = f"sub{take.subject + 1:02d}", f"EP{1 + take.order // 5:02d}_{1 + take.order % 5}"
            # the second camera's section of the dataset pads its numbers
            digits = 3 if 2 * at >= len(plan) else 1
            for tree in config.trees:
                top, prefix = TREES[tree]
                name = f"{prefix}{filename}-{{:0{digits}d}}.jpg"
                write_frames(out / top / folder / filename, name, first, clip, cropped=tree == "cropped")
            facts = facts_of(clip, take, first)
            onset, apex, offset = facts["numbers"]
            # twice the apex: ApexF2 is the second apex of a plateau, which rendered clips lack
            rows.append((take.subject + 1, filename, None, onset, apex, apex, offset, None, facts["units"], take.label))
            truth.add(f"{folder}/{filename}", take.label, subject=folder, raw_label=take.label, **facts)
        write_xlsx(out / "casme.xlsx", {"Sheet1": [HEADER, *rows]})
        return truth.document()


TREES = {"raw_selected": ("CASME_raw_selected", ""), "cropped": ("Cropped", "reg_")}


PLUGIN = Casme()
