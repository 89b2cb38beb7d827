"""Synthetic faces in the layout of CAS(ME)^2: macro and micro expressions, a coding file of three bare sheets."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MicroConfig, Progress, follow

Label = Literal["negative", "positive", "surprise", "others"]
SUBJECTS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 40)
SHOWN = {"negative": ("disgust", "anger", "sadness"), "positive": ("happiness",)}
# some codes as numbers: Excel drops their leading zero in the real file as well
STIMULI: dict[str, int | str] = {
    "disgust1": 101, "disgust2": "0102", "anger1": "0401", "anger2": 402, "happy1": "0502",
    "happy2": "0503", "happy3": "0505", "happy4": "0507", "happy5": "0508",
}  # fmt: skip
SHEET_NAME = "CAS(ME)^2code_final.xlsx"
ASPECT = 640 / 480


class CasmeSquareConfig(MicroConfig):
    """Options of the rendered CAS(ME)^2."""

    subjects: int = pydantic.Field(4, ge=1, le=len(SUBJECTS), description="number of subjects")
    size_px: int = pydantic.Field(176, ge=96, le=1024, description="height of the frames of selectedpic")
    macro: dict[Label, int] = pydantic.Field(
        {"negative": 3, "positive": 3, "surprise": 1, "others": 1},
        description="macro-expressions per subject and label",
    )
    micro: dict[Label, int] = pydantic.Field(
        {"negative": 1, "positive": 1, "surprise": 1}, description="micro-expressions per subject and label"
    )
    macro_intensity: float = pydantic.Field(0.8, gt=0, le=1, description="mean strength of the macro-expressions")
    crops: bool = pydantic.Field(True, description="also write cropped/, whose subject folders lack the s")
    quirks: bool = pydantic.Field(True, description="an offset of 0, doubled extensions, stimulus codes as numbers")


class CasmeSquare(Layout):
    """Writes `selectedpic/`, `cropped/` and the coding file."""

    name = "casme_sq"
    Config = CasmeSquareConfig

    def count(self, config: CasmeSquareConfig) -> dict[str, int]:
        """Both kinds of expressions; see `Layout.count`."""
        names = [*config.macro, *config.micro]
        shown = {name: config.macro.get(name, 0) + config.micro.get(name, 0) for name in names}
        return {name: number * config.subjects for name, number in shown.items()}

    def write(self, out: Path, config: CasmeSquareConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_xlsx
        from fernas.synth.micro import wide_camera
        from fernas.synth.truth import Truth

        truth, rows = Truth(self.name, config.seed), []
        camera = wide_camera(config.size_px, ASPECT)
        plan = [item for s in range(config.subjects) for item in self._plan(config, s)]
        for at, (take, kind) in enumerate(follow(progress, plan, len(plan), "rendering casme_sq")):
            rows.append(self._write_clip(out, config, camera, take, kind, config.quirks and at == 0, truth))
        subjects = [(SUBJECTS[i], f"s{SUBJECTS[i]}", i + 1) for i in range(config.subjects)]
        codes = [(code if config.quirks else f"{int(code):04d}", name) for name, code in STIMULI.items()]
        write_xlsx(out / SHEET_NAME, {"CASFEcode_final": rows, "naming rule1": subjects, "naming rule2": codes})
        return truth.document()

    def _plan(self, config: CasmeSquareConfig, subject: int) -> list[tuple[Any, str]]:
        """The takes of one subject with their kind, macro first; orders count through both."""
        from fernas.synth.micro import takes

        # a stream of its own for each kind: the number of macro clips does not change the micro ones
        macro = list(takes(f"{self.name}/macro", config, subject, config.macro, SHOWN))
        micro = list(takes(f"{self.name}/micro", config, subject, config.micro, SHOWN))
        micro = [replace(take, order=len(macro) + take.order) for take in micro]
        return [(take, "macro") for take in macro] + [(take, "micro") for take in micro]

    def _write_clip(
        self, out: Path, config: CasmeSquareConfig, camera: Any, take: Any, kind: str, no_offset: bool, truth: Any
    ) -> tuple[object, ...]:
        """Write a clip; returns its row of the first sheet."""
        from fernas.synth.dataset import write_image
        from fernas.synth.micro import crop_box, facts_of, first_number, render_take

        strength = config.macro_intensity if kind == "macro" else config.intensity
        scaled = config.model_copy(update={"intensity": strength})
        clip = render_take(self.name, scaled, take, camera)
        first = first_number(take, 30, 1900)
        number, names = SUBJECTS[take.subject], tuple(STIMULI)
        name = f"{names[take.order % len(names)]}_{1 + take.order // len(names)}"
        height, width = clip.frames[0].shape[:2]
        x0, y0, x1, y1 = crop_box(clip.landmarks[0], height, width)
        doubled = ".jpg" if config.quirks and take.subject == 1 and take.order == 0 else ""
        for i, frame in enumerate(clip.frames):
            write_image(out / "selectedpic" / f"s{number}" / name / f"img{first + i}.jpg{doubled}", frame)
            if config.crops:
                write_image(out / "cropped" / str(number) / name / f"img{first + i}.jpg", frame[y0:y1, x0:x1])
        facts = facts_of(clip, take, first)
        onset, apex, offset = facts["numbers"]
        truth.add(f"s{number}/{name}", take.label, subject=f"s{number}", raw_label=take.label, type=kind, **facts)
        felt = clip.expression.name
        end = 0 if no_offset else offset
        return (take.subject + 1, name, onset, apex, end, facts["units"], take.label, f"{kind}-expression", felt)


PLUGIN = CasmeSquare()
