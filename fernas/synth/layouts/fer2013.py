"""Synthetic faces in the layout of FER2013: one csv of 48 x 48 grey images as text, and the FER+ votes beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from fernas.synth.layout import Layout, LayoutConfig, Progress, follow

if TYPE_CHECKING:
    import numpy as np

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
VOTE_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
VOTES = 10
SIDE_PX = 48
CANVAS_PX = 128


class Fer2013Config(LayoutConfig):
    """Options of the rendered FER2013."""

    idle: float = pydantic.Field(
        0.12, ge=0, le=0.5, description="spread of action units that have nothing to do with the expression"
    )
    noise: float = pydantic.Field(4.0, ge=0, le=60, description="standard deviation of the sensor's noise, grey levels")
    intensity: float = pydantic.Field(0.9, gt=0, le=1, description="mean strength of the expressions, 1 = full")
    training: int = pydantic.Field(280, ge=1, description="rows of the Training split")
    public: int = pydantic.Field(70, ge=1, description="rows of PublicTest")
    private: int = pydantic.Field(70, ge=1, description="rows of PrivateTest")
    people: int = pydantic.Field(60, ge=3, description="number of subjects, each in one split only")
    pose: float = pydantic.Field(1.3, ge=0, le=4, description="factor on the deviation from a frontal head")
    duplicates: int = pydantic.Field(
        0, ge=0, description="rows of PrivateTest that repeat a Training row, pixel for pixel"
    )
    ferplus: bool = pydantic.Field(True, description="write fer2013new.csv, the FER+ votes")


class Fer2013(Layout):
    """Writes `fer2013/fer2013.csv` and `fer2013/fer2013new.csv`."""

    name = "fer2013"
    Config = Fer2013Config

    def count(self, config: Fer2013Config) -> dict[str, int]:
        """All classes evenly, which is about what is drawn; see `Layout.count`."""
        images = config.training + config.public + config.private
        return dict.fromkeys(LABELS, round(images / len(LABELS)))

    def write(self, out: Path, config: Fer2013Config, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.dataset import write_lines
        from fernas.synth.truth import Truth, points_of

        truth = Truth(self.name, config.seed)
        usages = _usages(config)
        rows: list[tuple[int, np.ndarray, str]] = []
        for number, usage in follow(progress, enumerate(usages), len(usages), "rendering fer2013"):
            code, image, points, skin = _render(config, number, usage)
            repeat = number - (len(usages) - config.duplicates)
            # the last rows, so that a repeated Training row is always rendered already
            if usage == "PrivateTest" and repeat >= 0:
                code, image = rows[repeat % config.training][0], rows[repeat % config.training][1]
                skin = truth.clips[repeat % config.training]["skin_tone"]
                truth.note(f"row {number} repeats row {repeat % config.training}")
            rows.append((code, image, usage))
            truth.add(
                f"{usage}/{number}",
                LABELS[code],
                raw_label=str(code),
                split=usage,
                skin_tone=skin,
                row=number,
                ref=f"fer2013.csv#{number}",
                landmarks={"0": points_of(points)},
            )
        lines = [f"{code},{' '.join(map(str, image.ravel().tolist()))},{usage}" for code, image, usage in rows]
        write_lines(out / "fer2013.csv", ["emotion,pixels,Usage", *lines])
        if config.ferplus:
            self._write_votes(out, config, rows, truth)
        return truth.document()

    def _write_votes(self, out: Path, config: Fer2013Config, rows: list[Any], truth: Any) -> None:
        """The FER+ file: the same order, names that drift, one row of nine votes, one image that is no face."""
        from fernas.core import seeds
        from fernas.synth.dataset import write_lines

        lines, drift, not_a_face = [f"Usage,Image name,{','.join(VOTE_COLUMNS)}"], 0, min(6, len(rows) - 1)
        for number, (code, _, usage) in enumerate(rows):
            votes = _votes(LABELS[code], seeds.rng(config.seed, self.name, "votes", number))
            # as in the real file, names drift away from the rows, so votes must be joined by order
            name = f"fer{number - drift:07d}.png"
            if number == not_a_face:
                votes, name, drift = dict.fromkeys(VOTE_COLUMNS, 0) | {"NF": VOTES}, "", 1
                truth.note(f"row {number}: FER+ says it is not a face")
            elif number == 3:
                votes[max(votes, key=lambda column: votes[column])] -= 1
            truth.clips[number]["votes"] = [votes[column] for column in VOTE_COLUMNS]
            lines.append(f"{usage},{name},{','.join(str(votes[column]) for column in VOTE_COLUMNS)}")
        write_lines(out / "fer2013new.csv", lines)


def _usages(config: Fer2013Config) -> list[str]:
    counts = dict(zip(USAGES, (config.training, config.public, config.private), strict=True))
    return [usage for usage in USAGES for _ in range(counts[usage])]


def _render(config: Fer2013Config, number: int, usage: str) -> tuple[int, "np.ndarray", "np.ndarray", str]:
    """One row: class code, uint8 (48, 48), the landmarks (68, 2) and the tone of the skin."""
    from fernas.core import seeds
    from fernas.core.images import to_grey
    from fernas.synth.clips import render_still
    from fernas.synth.dataset import person
    from fernas.synth.render import Camera

    seed = seeds.derive_seed(config.seed, "fer2013", "row", number)
    rng = seeds.rng(seed, "plan")
    code = int(rng.integers(len(LABELS)))
    # subjects are assigned to splits by index modulo 6: four sixths Training, one sixth each of the others
    sixth = {"Training": (0, 1, 2, 3), "PublicTest": (4,), "PrivateTest": (5,)}[usage]
    # a small config may leave a split without subjects: it gets one of its own then
    group = [i for i in range(config.people) if i % 6 in sixth] or [config.people + sixth[0]]
    identity = person("fer2013", config, group[int(rng.integers(len(group)))], CANVAS_PX)
    strength = min(1.0, config.intensity * rng.uniform(0.8, 1.2))
    camera = Camera(SIDE_PX, SIDE_PX, SIDE_PX * 0.36, 0.5, 0.56)
    image, points, _ = render_still(
        identity, LABELS[code], camera, seed, strength, config.idle, config.noise, config.pose
    )
    return code, to_grey(image), points, identity.face.skin_word()


def _votes(label: str, rng: Any) -> dict[str, int]:
    """Ten votes, most of them for the label."""
    votes = dict.fromkeys(VOTE_COLUMNS, 0)
    agree = int(rng.integers(6, VOTES + 1))
    votes[label] = agree
    for column in rng.choice(VOTE_COLUMNS[:-1], VOTES - agree).tolist():
        votes[column] += 1
    return votes


PLUGIN = Fer2013()
