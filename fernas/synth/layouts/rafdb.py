"""Synthetic faces in the layout of RAF-DB (basic): stills, aligned crops, one list of labels, attribute files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from fernas.synth.layout import Layout, LayoutConfig, Progress, follow

if TYPE_CHECKING:
    import numpy as np

CODES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
ALIGNED_PX = 100


class RafDbConfig(LayoutConfig):
    """Options of the rendered RAF-DB."""

    idle: float = pydantic.Field(
        0.12, ge=0, le=0.5, description="spread of action units that have nothing to do with the expression"
    )
    noise: float = pydantic.Field(4.0, ge=0, le=60, description="standard deviation of the sensor's noise, grey levels")
    intensity: float = pydantic.Field(0.9, gt=0, le=1, description="mean strength of the expressions, 1 = full")
    train: int = pydantic.Field(210, ge=1, le=99999, description="images of the train split")
    test: int = pydantic.Field(70, ge=1, le=9999, description="images of the test split")
    people: int = pydantic.Field(50, ge=2, description="number of subjects, each in one split only")
    size_px: int = pydantic.Field(192, ge=120, le=1024, description="height of the original images; their widths vary")
    pose: float = pydantic.Field(1.5, ge=0, le=4, description="factor on the deviation from a frontal head")
    originals: bool = pydantic.Field(True, description="also write Image/original and Annotation/manual")


class RafDb(Layout):
    """Writes `basic/EmoLabel/`, `basic/Image/` and `basic/Annotation/manual/`."""

    name = "rafdb"
    Config = RafDbConfig

    def count(self, config: RafDbConfig) -> dict[str, int]:
        """All classes evenly, which is about what is drawn; see `Layout.count`."""
        return dict.fromkeys(CODES, round((config.train + config.test) / len(CODES)))

    def write(self, out: Path, config: RafDbConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`. Landmarks of the truth are those in the original images."""
        from fernas.synth.dataset import write_lines
        from fernas.synth.truth import Truth

        truth, lines = Truth(self.name, config.seed), []
        plan = [("train", f"train_{i:05d}") for i in range(1, config.train + 1)]
        plan += [("test", f"test_{i:04d}") for i in range(1, config.test + 1)]
        for split, stem in follow(progress, plan, len(plan), "rendering rafdb"):
            code = self._write_image(out / "basic", config, split, stem, truth)
            lines.append(f"{stem}.jpg {code}")
        write_lines(out / "basic" / "EmoLabel" / "list_patition_label.txt", lines)
        return truth.document()

    def _write_image(self, root: Path, config: RafDbConfig, split: str, stem: str, truth: Any) -> int:
        from fernas.core import seeds
        from fernas.synth.dataset import write_image
        from fernas.synth.truth import points_of

        seed = seeds.derive_seed(config.seed, self.name, stem)
        rng = seeds.rng(seed, "plan")
        code = int(rng.integers(1, len(CODES) + 1))
        image, points, skin = _render(config, split, seed, CODES[code - 1], rng)
        write_image(root / "Image" / "aligned" / f"{stem}_aligned.jpg", _align(image, points))
        if config.originals:
            write_image(root / "Image" / "original" / f"{stem}.jpg", image)
            _write_attributes(root / "Annotation" / "manual" / f"{stem}_manu_attri.txt", points, rng)
        label = CODES[code - 1]
        landmarks = {"0": points_of(points)}
        truth.add(stem, label, raw_label=str(code), split=split, frames=1, landmarks=landmarks, skin_tone=skin)
        return code


def _render(config: RafDbConfig, split: str, seed: int, label: str, rng: Any) -> tuple["np.ndarray", "np.ndarray", str]:
    """One original image, RGB (H, W, 3), its landmarks (68, 2) and the tone of the skin."""
    from fernas.synth.clips import render_still
    from fernas.synth.dataset import person
    from fernas.synth.render import Camera

    # every fourth subject belongs to the test split
    group = [i for i in range(config.people) if (i % 4 == 3) == (split == "test")] or [config.people]
    identity = person("rafdb", config, group[int(rng.integers(len(group)))])
    width, ipd = round(config.size_px * rng.uniform(0.8, 1.5)), config.size_px * rng.uniform(0.2, 0.27)
    camera = Camera(config.size_px, width, ipd, float(rng.uniform(0.46, 0.54)), 0.55)
    strength = min(1.0, config.intensity * rng.uniform(0.8, 1.2))
    image, points, _ = render_still(identity, label, camera, seed, strength, config.idle, config.noise, config.pose)
    return image, points, identity.face.skin_word()


def _align(image: "np.ndarray", points: "np.ndarray") -> "np.ndarray":
    """The 100 x 100 crop with level eyes."""
    import numpy as np

    from fernas.core.images import warp_affine
    from fernas.synth.landmarks import five_points

    left, right = five_points(points)[:2]
    across = right - left
    distance = float(np.hypot(*across))
    cosine, sine = across / distance
    zoom = 0.36 * ALIGNED_PX / distance
    # similarity transform that puts the eyes on a level line, 36 % of the crop's width apart
    turn = zoom * np.array([[cosine, sine], [-sine, cosine]])
    shift = np.array([0.5, 0.38]) * ALIGNED_PX - turn @ ((left + right) / 2)
    return warp_affine(image, np.column_stack([turn, shift]), ALIGNED_PX, replicate=True)


def _write_attributes(path: Path, points: "np.ndarray", rng: Any) -> None:
    """Five landmarks, then gender, race and age group, all assigned at random: the renderer models no population."""
    from fernas.synth.dataset import write_lines
    from fernas.synth.landmarks import five_points

    # tabs and blanks are mixed in the real files
    separators = ("\t", " ", "\t", " ", "\t")
    lines = [f"{x:.3f}{mark}{y:.3f}" for (x, y), mark in zip(five_points(points).tolist(), separators, strict=True)]
    write_lines(path, [*lines, *(str(int(rng.integers(n))) for n in (3, 3, 5))])


PLUGIN = RafDb()
