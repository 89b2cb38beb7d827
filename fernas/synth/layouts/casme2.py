"""Synthetic faces in the layout of CASME II: raw frames, face crops and the coding sheet with two blank headers."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MicroConfig, Progress, follow

Label = Literal["happiness", "disgust", "repression", "surprise", "sadness", "fear", "others"]
MAX_SUBJECTS = 26
HEADER = (
    "Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units", "Estimated Emotion ",
)  # fmt: skip
SHEET_NAME = "CASME2-coding-20190701.xlsx"
ASPECT = 640 / 480


class Casme2Config(MicroConfig):
    """Options of the rendered CASME II."""

    subjects: int = pydantic.Field(4, ge=1, le=MAX_SUBJECTS, description="number of subjects")
    size_px: int = pydantic.Field(176, ge=96, le=1024, description="height of the raw frames")
    clips: dict[Label, int] = pydantic.Field(
        {"happiness": 4, "surprise": 4, "disgust": 2, "repression": 2, "others": 1},
        description="clips per subject and label",
    )
    trees: list[Literal["raw_selected", "cropped"]] = pydantic.Field(
        ["raw_selected", "cropped"], min_length=1, description="which of the shipped trees to write"
    )
    quirks: bool = pydantic.Field(True, description="one apex cell `/`, stray files, names of several forms")


class Casme2(Layout):
    """Writes `CASME2_RAW_selected/`, `Cropped/` and the coding sheet."""

    name = "casme2"
    Config = Casme2Config

    def write(self, out: Path, config: Casme2Config, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_xlsx
        from fernas.synth.micro import facts_of, first_number, render_take, takes, wide_camera, write_frames
        from fernas.synth.truth import Truth

        truth, rows = Truth(self.name, config.seed), []
        camera = wide_camera(config.size_px, ASPECT)
        plan = [t for s in range(config.subjects) for t in takes(self.name, config, s, config.clips, {})]
        unknown_apex = _unknown_apex(plan, config)
        for take in follow(progress, plan, len(plan), "rendering casme2"):
            clip = render_take(self.name, config, take, camera)
            first = first_number(take, 20, 300)
            folder, filename = f"sub{take.subject + 1:02d}", _filename(take.order)
            if take is unknown_apex:
                filename = "EP12_01f"
            for tree in config.trees:
                top, stem = TREES[tree]
                write_frames(out / top / folder / filename, stem + "{}.jpg", first, clip, cropped=tree == "cropped")
            facts = facts_of(clip, take, first)
            onset, apex, offset = facts["numbers"]
            units = str(facts["units"])
            # Excel keeps a lone action unit as a number, several as text
            cell = int(units) if units.isdigit() else units
            coded = apex if take is not unknown_apex else "/"
            rows.append((take.subject + 1, filename, None, onset, coded, offset, None, cell, take.label))
            known = {"apex_annotated": False} if take is unknown_apex else {}
            truth.add(f"{folder}/{filename}", take.label, subject=folder, raw_label=take.label, **facts, **known)
        write_xlsx(out / SHEET_NAME, {"Sheet1": [HEADER, *rows]})
        if config.quirks:
            for tree in config.trees:
                (out / TREES[tree][0] / "sub01" / "Desktop - Shortcut.lnk").write_bytes(b"L\x00\x00\x00")
        return truth.document()


TREES = {"raw_selected": ("CASME2_RAW_selected", "img"), "cropped": ("Cropped", "reg_img")}


def _unknown_apex(plan: list[Any], config: Casme2Config) -> Any:
    """The clip whose apex the coders left as `/`: a disgust clip of the last subject, if there is one."""
    if not config.quirks:
        return None
    return next((t for t in plan if t.subject == config.subjects - 1 and t.label == "disgust"), None)


def _filename(order: int) -> str:
    """Names of the forms that occur: EP02_01f, EP03_1, EP06_02_01, EP09f, EP08_02."""
    episode = 2 + order + (order >= 10)
    forms = (
        f"EP{episode:02d}_01f", f"EP{episode:02d}_1", f"EP{episode:02d}_02_01", f"EP{episode:02d}f",
        f"EP{episode:02d}_02",
    )  # fmt: skip
    return forms[order % len(forms)]


PLUGIN = Casme2()
