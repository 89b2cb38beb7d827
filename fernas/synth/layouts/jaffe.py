"""Synthetic faces in the layout of JAFFE: grey stills whose names say who, what and which."""

from pathlib import Path
from typing import Any

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
CODES = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness", "SU": "surprise",
}  # fmt: skip


class JaffeConfig(MacroConfig):
    """Options of the rendered JAFFE."""

    subjects: int = pydantic.Field(10, ge=1, le=len(SUBJECTS), description="number of subjects")
    size_px: int = pydantic.Field(256, ge=96, le=1024, description="side of the images")
    stills: int = pydantic.Field(3, ge=1, le=9, description="images per subject and expression")
    quirks: bool = pydantic.Field(True, description="gaps in the takes and serial numbers, a README beside the images")


class Jaffe(Layout):
    """Writes `jaffe/KA.AN1.39.tiff`."""

    name = "jaffe"
    Config = JaffeConfig

    def count(self, config: JaffeConfig) -> dict[str, int]:
        """So many images of each expression; see `Layout.count`."""
        return dict.fromkeys(CODES.values(), config.stills * config.subjects)

    def write(self, out: Path, config: JaffeConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_lines
        from fernas.synth.truth import Truth

        truth, serial = Truth(self.name, config.seed), 0
        for index in follow(progress, range(config.subjects), config.subjects, "rendering jaffe"):
            for code in CODES:
                for at in range(config.stills):
                    serial += 2 if config.quirks and at == 1 else 1
                    take = at + 1 + (1 if config.quirks and index % 3 == 2 and at > 0 else 0)
                    self._write_still(out, config, index, code, take, serial, truth)
        if config.quirks:
            write_lines(out / "jaffe" / "README", ["RENDERED images in the layout of JAFFE."])
        return truth.document()

    def _write_still(
        self, out: Path, config: JaffeConfig, index: int, code: str, take: int, serial: int, truth: Any
    ) -> None:
        from fernas.core import seeds
        from fernas.core.images import to_grey
        from fernas.synth.clips import render_still
        from fernas.synth.dataset import person, write_image
        from fernas.synth.macro import portrait_camera
        from fernas.synth.truth import points_of, units_of

        seed = seeds.derive_seed(config.seed, self.name, index, code, take)
        strength = min(1.0, config.intensity * seeds.rng(seed, "strength").uniform(0.8, 1.2))
        camera = portrait_camera(config.size_px, 1.0)
        identity = person(self.name, config, index)
        image, points, shown = render_still(
            identity, CODES[code], camera, seed, strength, config.idle, config.noise, 0.5
        )
        subject, clip = SUBJECTS[index], f"{code}{take}.{serial}"
        write_image(out / "jaffe" / f"{subject}.{clip}.tiff", to_grey(image))
        truth.add(
            f"{subject}/{clip}", CODES[code], subject=subject, raw_label=code, frames=1, units=units_of(shown),
            landmarks={"0": points_of(points)}, skin_tone=identity.face.skin_word(),
        )  # fmt: skip


PLUGIN = Jaffe()
