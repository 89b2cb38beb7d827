"""Synthetic faces in the layout of CK+: sequences from neutral to apex, labels, FACS codes, landmarks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from fernas.synth.layout import Layout, MacroConfig, Progress, follow

if TYPE_CHECKING:
    from fernas.synth.clips import Clip
    from fernas.synth.truth import Truth

CODES = {"anger": 1, "contempt": 2, "disgust": 3, "fear": 4, "happiness": 5, "sadness": 6, "surprise": 7}
Emotion = Literal["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
EMOTIONS: tuple[Emotion, ...] = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
FIRST_SUBJECTS = (5, 10, 11, 14, 22, 26, 28, 29, 32, 34, 35, 37, 42, 44, 45, 46)
MAX_SUBJECTS = 118
ASPECT = 640 / 490
COLOUR_EVERY = 8
"""Every eighth subject is filmed in colour, the others in grey, as CK+ mixes both."""


class CkPlusConfig(MacroConfig):
    """Options of the rendered CK+."""

    subjects: int = pydantic.Field(16, ge=1, le=MAX_SUBJECTS, description="number of subjects")
    emotions: list[Emotion] = pydantic.Field(
        list(EMOTIONS), min_length=1, description="one labelled sequence of each per subject"
    )
    sequences: int = pydantic.Field(1, ge=1, le=9, description="sequences per subject and emotion")
    frames: int = pydantic.Field(8, ge=4, le=60, description="mean number of frames of a sequence")
    tracker_noise: float = pydantic.Field(
        0.012, ge=0, le=0.2, description="error of the shipped landmarks, in eye distances"
    )
    quirks: bool = pydantic.Field(
        True, description="unlabelled sequences and a stray .DS_Store, as real copies have them"
    )


def subject_name(index: int) -> str:
    """S005, S010, ...: ids with gaps, ascending."""
    if index < len(FIRST_SUBJECTS):
        return f"S{FIRST_SUBJECTS[index]:03d}"
    return f"S{FIRST_SUBJECTS[-1] + 4 + index - len(FIRST_SUBJECTS):03d}"


def sequences_of(config: CkPlusConfig, index: int) -> list[tuple[str, Emotion | None]]:
    """(number, emotion) of a subject's sequences, in an order that does not depend on the label; None is unlabelled."""
    from fernas.core import seeds

    rng = seeds.rng(config.seed, "ckplus", subject_name(index), "order")
    listed: list[Emotion | None] = [emotion for emotion in config.emotions for _ in range(config.sequences)]
    listed = [listed[i] for i in rng.permutation(len(listed))]
    # the first and the last subject show the two forms that occur: an empty label folder and none
    if config.quirks and index in (0, config.subjects - 1):
        listed.append(None)
    # numbers with gaps, as in the released dataset
    numbers = rng.integers(1, 3, len(listed)).cumsum().tolist()
    return [(f"{number:03d}", emotion) for number, emotion in zip(numbers, listed, strict=True)]


class CkPlus(Layout):
    """Writes `cohn-kanade-images/`, `Emotion/`, `FACS/` and `Landmarks/`."""

    name = "ckplus"
    Config = CkPlusConfig

    def count(self, config: CkPlusConfig) -> dict[str, int]:
        """So many sequences of each emotion; see `Layout.count`."""
        return {name: number * config.sequences for name, number in super().count(config).items()}

    def write(self, out: Path, config: CkPlusConfig, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset; see `Layout.write`."""
        from fernas.synth.truth import Truth

        truth = Truth(self.name, config.seed)
        for index in follow(progress, range(config.subjects), config.subjects, "rendering ckplus"):
            self._write_subject(out, config, index, truth)
        return truth.document()

    def _write_subject(self, out: Path, config: CkPlusConfig, index: int, truth: "Truth") -> None:
        from fernas.synth.dataset import sci, write_lines
        from fernas.synth.macro import facts_to_apex

        subject = subject_name(index)
        for sequence, emotion in sequences_of(config, index):
            clip = render_sequence(config, index, sequence, emotion)
            stem = write_sequence(out, config, index, sequence, clip)
            if emotion is None:
                how = "empty" if index == 0 else "missing"
                if how == "empty":
                    (out / "Emotion" / subject / sequence).mkdir(parents=True)
                truth.note(f"{subject}/{sequence}: not labelled (label folder {how})")
            else:
                code, name = CODES[emotion], f"{subject}/{sequence}"
                write_lines(out / "Emotion" / stem.parent / f"{stem.name}_emotion.txt", [sci(code)])
                facts = facts_to_apex(clip) | {"numbers": [1, len(clip.frames)]}
                truth.add(name, emotion, subject=subject, raw_label=str(code), **facts)
        if config.quirks and index == 0:
            (out / "cohn-kanade-images" / subject / sequence / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")


def render_sequence(config: CkPlusConfig, index: int, sequence: str, emotion: str | None) -> "Clip":
    """One sequence from neutral to apex; None draws an unlabelled expression."""
    from fernas.synth.macro import Recording, render_macro

    names = (subject_name(index), sequence)
    return render_macro("ckplus", config, index, names, emotion or "others", Recording(config.frames, ASPECT, fps=30))


def write_sequence(out: Path, config: CkPlusConfig, index: int, sequence: str, clip: "Clip") -> Path:
    """Write frames, landmarks and FACS codes; returns `<subject>/<sequence>/<stem of the last frame>`."""
    from fernas.core import seeds
    from fernas.core.images import to_grey
    from fernas.synth.dataset import sci, write_image, write_lines
    from fernas.synth.landmarks import track

    subject = subject_name(index)
    folder = Path(subject) / sequence
    tracked = track(
        clip.landmarks, seeds.rng(config.seed, "ckplus", subject, sequence, "tracker"), config.tracker_noise
    )
    for i, (frame, points) in enumerate(zip(clip.frames, tracked, strict=True), start=1):
        stem = f"{subject}_{sequence}_{i:08d}"
        image = frame if index % COLOUR_EVERY == COLOUR_EVERY - 1 else to_grey(frame)
        write_image(out / "cohn-kanade-images" / folder / f"{stem}.png", image)
        write_lines(out / "Landmarks" / folder / f"{stem}_landmarks.txt", (sci(x) + sci(y) for x, y in points))
    codes = clip.expression.coded()
    # FACS intensities run from 1 (A) to 5 (E); 0 says that a unit was not graded
    grades = [(unit, 0 if unit >= 25 else min(5, 1 + int(5 * strength))) for unit, _, strength in codes]
    write_lines(out / "FACS" / folder / f"{stem}_facs.txt", (sci(unit) + sci(grade) for unit, grade in grades))
    return folder / stem


PLUGIN = CkPlus()
