"""Synthetic faces in the layout of SMIC: the cropped high-speed tree, labels by folder, no annotation file."""

from pathlib import Path
from typing import Any, Literal

import pydantic

from fernas.synth.layout import Layout, MicroConfig, Progress, follow

Label = Literal["negative", "positive", "surprise"]
SUBJECTS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)
FILE = "reg_image{:06d}.bmp"
CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
SHOWN = {"negative": ("disgust", "sadness", "fear", "anger"), "positive": ("happiness",)}


class SmicConfig(MicroConfig):
    """Options of the rendered SMIC."""

    subjects: int = pydantic.Field(4, ge=1, le=len(SUBJECTS), description="number of subjects")
    size_px: int = pydantic.Field(160, ge=96, le=1024, description="height of the face crops")
    clips: dict[Label, int] = pydantic.Field(
        {"negative": 4, "positive": 4, "surprise": 4}, description="clips per subject and label"
    )
    quirks: bool = pydantic.Field(True, description="a non_micro clip and a stray .DS_Store, as real copies have them")


class Smic(Layout):
    """Writes `SMIC_all_cropped/HS/`."""

    name = "smic"
    Config = SmicConfig

    def write(self, out: Path, config: SmicConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.micro import crop_camera, facts_of, first_number, render_take, takes, write_frames
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        camera = crop_camera(config.size_px)
        plan = [t for s in range(config.subjects) for t in takes(self.name, config, s, config.clips, SHOWN)]
        root = out / "SMIC_all_cropped" / "HS"
        for take in follow(progress, plan, len(plan), "rendering smic"):
            subject = f"s{SUBJECTS[take.subject]}"
            name = f"{subject}_{CODES[take.label]}_{take.k:02d}"
            clip = render_take(self.name, config, take, camera)
            # 34208 is the smallest frame number known from the real dataset
            first = first_number(take, 34208, 999000)
            write_frames(root / subject / "micro" / take.label / name, FILE, first, clip)
            facts = facts_of(clip, take, first)
            truth.add(
                f"{subject}/{name}", take.label, subject=subject, raw_label=take.label, apex_annotated=False, **facts
            )
        if config.quirks and plan:
            self._write_quirks(root, config, plan[0], camera, truth)
        return truth.document()

    def _write_quirks(self, root: Path, config: SmicConfig, take: Any, camera: Any, truth: Any) -> None:
        """A clip in which nothing is expressed, in the folder that holds such clips."""
        from dataclasses import replace

        from fernas.core import seeds
        from fernas.synth.micro import first_number, render_take, write_frames

        quiet = replace(take, expression="neutral", seed=seeds.derive_seed(take.seed, "non_micro"))
        clip = render_take(self.name, config, quiet, camera)
        write_frames(root / "s1" / "non_micro" / "s1_n1", FILE, first_number(quiet, 34208, 999000), clip)
        (root / "s1" / "micro" / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
        truth.note("s1/s1_n1: a non_micro clip, no sample")


PLUGIN = Smic()
