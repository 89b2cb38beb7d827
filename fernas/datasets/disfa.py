"""DISFA: spontaneous expressions coded frame by frame in action units; classes come from a list or from a rule."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fernas.core.errors import ConfigError, DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample
from fernas.datasets._labels import BASIC, canonical
from fernas.datasets._sheets import read_table
from fernas.datasets._tree import IMAGE, Tree, frame_number, numbers_of, summarise
from fernas.datasets.containers import video_length

if TYPE_CHECKING:
    import numpy as np

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
CLASSES = (*BASIC, "neutral")
# Ours, in the spirit of EMFACS, over the twelve coded units: all of "all", and one of "any" where there are some.
RULE: dict[str, dict[str, list[str]]] = {
    "fear": {"all": ["1>=1", "2>=1", "4>=1"], "any": ["5>=1", "20>=1", "25>=1"]},
    "surprise": {"all": ["1>=2", "2>=2", "4<2"], "any": ["5>=1", "25>=1", "26>=2"]},
    "sadness": {"all": ["1>=1", "4>=2", "12<1"], "any": ["15>=1", "17>=1"]},
    "disgust": {"all": ["9>=2"]},
    "anger": {"all": ["4>=2", "1<1", "2<1", "9<1"], "any": ["5>=1", "17>=1"]},
    "happiness": {"all": ["12>=2", "15<2", "4<2"]},
}
CONDITION = re.compile(r"(?P<unit>\d+)\s*(?P<sign>>=|<=|==|<|>)\s*(?P<value>\d+)")


class DisfaOptions(Options):
    """Options of DISFA."""

    labels: Literal["rule", "csv"] = Field(
        "rule", description="classes from the rule over action units, or your own list"
    )
    labels_csv: str | None = Field(None, description="your list below the root or elsewhere: subject, frame, emotion")
    rule: dict[str, dict[str, list[str]]] = Field(
        RULE, description="class -> conditions on units, highest priority first"
    )
    ties: Literal["drop", "priority"] = Field("drop", description="frames for which several classes hold")
    around: int = Field(3, ge=1, description="frames selected around the peak of each run of a class")
    neutral_runs: int = Field(
        10, ge=0, description="neutral frames per subject: the middles of the longest runs without units"
    )
    camera: Literal["left", "right"] = Field("left", description="which camera's video")
    frame_base: Literal["auto", "0", "1"] = Field(
        "auto", description="first number of frames that you extracted yourself"
    )


@dataclass
class Source:
    """Where a subject's frames are: a video, or images by number."""

    count: int
    video: str | None = None
    images: dict[int, str] | None = None
    base: int = 1

    def ref(self, frame: int) -> str | None:
        """The reference of frame `frame`, counted from 1 as the annotations do."""
        if self.video is not None:
            # annotations count frames from 1, video references from 0
            return f"{self.video}#{frame - 1}" if 1 <= frame <= self.count else None
        return (self.images or {}).get(frame - 1 + self.base)


class Disfa(Adapter):
    """Reads `ActionUnit_Labels/SN001/SN001_au1.txt` and videos of one camera, or frames extracted from them."""

    Config = DisfaOptions
    spec = DatasetSpec(
        name="disfa",
        title="DISFA",
        kind="stills",
        classes=CLASSES,
        licence="supervised research agreement",
        citation="Mavadati, Mahoor, Bartlett, Trinh, Cohn: DISFA, IEEE Transactions on Affective Computing 4(2), 2013",
        homepage="http://mohammadmahoor.com/disfa-contact-form",
        fps=20.0,
        subjects=27,
        layout=(
            "ActionUnit_Labels/SN001/SN001_au1.txt (`frame,intensity` per line, frames from 1; 12 units)",
            "Videos_LeftCamera/LeftVideoSN001_comp.avi, or your own frames like SN001/0.png",
            "labels_csv (optional, yours: subject,frame,emotion)",
        ),
        frame_rule="frames that a rule over the action units gives a class, 3 around the peak of each run",
        protocol="no official one for expressions; leave one subject out, or the three folds of the action-unit task",
        tasks={
            "disfa-6": {"classes": BASIC, "frames": {"kind": "still"}},
            "disfa-7n": {"classes": CLASSES, "frames": {"kind": "still"}},
        },
        notes=(
            "there is no public list of expression classes: the rule is ours, so results compare only with themselves",
            "how the papers chose frames from DISFA is not published",
            "the number of frames per subject differs by one between decoders: the shorter of labels and video counts",
        ),
    )

    def collect(self, root: Path, options: DisfaOptions) -> Collected:
        """One still per selected frame."""
        tree = Tree.walk(root)
        sources = _sources(tree, options)
        problems = list(tree.problems)
        if options.labels == "csv":
            if options.labels_csv is None:
                raise ConfigError("datasets.disfa.options.labels_csv: missing, expected your list (labels is csv)")
            samples = _from_list(root, options.labels_csv, sources, problems)
        else:
            samples = _from_rule(tree, options, sources, problems)
        return Collected(samples, problems)


def _sources(tree: Tree, options: DisfaOptions) -> dict[str, Source]:
    """Subject -> frames, from videos of the camera or else from extracted images."""
    camera = options.camera.capitalize()
    # the release spells the two folders differently (Videos_LeftCamera, Video_RightCamera)
    pattern = rf"Videos?_{camera}Camera/{camera}Video(?P<subject>SN\d+)_comp\.(?:avi|mp4)"
    sources: dict[str, Source] = {}
    for match in tree.find(pattern):
        sources.setdefault(match["subject"].upper(), Source(video_length(tree.root / match.string), match.string))
    if sources:
        return sources
    images: dict[str, dict[int, str]] = {}
    for match in tree.find(r"(?P<subject>SN\d+)/(?P<file>[^/]*\d" + IMAGE + ")"):
        number = frame_number(match["file"])
        if number is not None:
            images.setdefault(match["subject"].upper(), {}).setdefault(number, match.string)
    for subject, by_number in images.items():
        # there are no official images: some users number what they extract from 0, others from 1
        base = min(by_number) if options.frame_base == "auto" else int(options.frame_base)
        sources[subject] = Source(max(by_number) - base + 1, images=by_number, base=min(base, 1))
    if not sources:
        raise DataError(f"{tree.root}: no {camera}VideoSN001_comp.avi and no folder SN001 with frames found")
    return sources


# ---------------------------------------------------------------------------------------------------- user's list


def _from_list(root: Path, name: str, sources: dict[str, Source], problems: list[str]) -> list[Sample]:
    path = root / name if (root / name).is_file() else Path(name)
    wanted = {
        "subject": ("subject", "sub"),
        "frame": ("frame", "frame number"),
        "emotion": ("emotion", "label", "class"),
    }
    rows, _ = read_table(path, wanted, ("subject", "frame", "emotion"))
    samples: list[Sample] = []
    last: dict[str, tuple[int, str, int]] = {}  # subject -> frame, label and first frame of the run before
    row_of: dict[tuple[str, int], str] = {}
    for row in sorted(rows, key=lambda r: (r["subject"], r.integer("frame") or 0)):
        number = row.integer("frame")
        digits = "".join(c for c in row["subject"] if c.isdigit())
        if number is None or not digits:
            raise DataError(
                f"{row.where}: got subject {row['subject']!r}, frame {row['frame']!r}, expected SN001 and a number"
            )
        subject = f"SN{int(digits):03d}"
        label = canonical(row["emotion"], CLASSES, f"{row.where}, column emotion")
        if (subject, number) in row_of:
            raise DataError(f"{row.where}: {subject} frame {number} is already in {row_of[subject, number]}")
        row_of[subject, number] = f"row {row.number}"
        before = last.get(subject)
        # frames of one label that follow each other within a second are one run, so that no split separates them
        start = before[2] if before and number - before[0] <= 20 and before[1] == label else number
        last[subject] = (number, label, start)
        source = sources.get(subject)
        samples.append(_sample(subject, f"{label}_{start:05d}", number, label, row["emotion"], source))
        if samples[-1].excluded:
            problems.append(f"{row.where}: {samples[-1].excluded}")
    return samples


def _sample(subject: str, run: str, frame: int, label: str, raw: str, source: Source | None) -> Sample:
    ref = source.ref(frame) if source else None
    missing = f"frame {frame} of {subject} has no image" if source else f"no video or frames of {subject}"
    return Sample(
        clip=run, subject=subject, frame=f"{frame:05d}", group=f"{subject}/{run}", frames=[ref] if ref else [],
        label=label, raw_label=raw, excluded=None if ref else missing,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- rule


def _from_rule(tree: Tree, options: DisfaOptions, sources: dict[str, Source], problems: list[str]) -> list[Sample]:
    files: dict[str, dict[int, str]] = {}
    for match in tree.find(r"(?P<subject>SN\d+)_au(?P<unit>\d+)\.txt"):
        files.setdefault(match["subject"].upper(), {}).setdefault(int(match["unit"]), match.string)
    if not files:
        raise DataError(f"{tree.root}: no ActionUnit_Labels/SN001/SN001_au1.txt found")
    samples: list[Sample] = []
    for subject, by_unit in sorted(files.items()):
        missing = [unit for unit in UNITS if unit not in by_unit]
        if missing:
            files_missing = ", ".join(f"{subject}_au{unit}.txt" for unit in missing)
            raise DataError(
                f"{tree.root}: {files_missing} missing, expected all of {', '.join(f'au{u}' for u in UNITS)}"
            )
        source = sources.get(subject)
        if source is None:
            problems.append(f"{subject}: labels, but no video or frames")
        coded = _read_units(tree.root, by_unit, source.count if source else None, problems)
        for label, frame, run in label_frames(coded, options):
            samples.append(_sample(subject, run, frame, label, units_text(coded, frame), source))
    left = [subject for subject in sources if subject not in files]
    if left:
        problems.append(f"{len(left)} subjects have images but no labels: {summarise(left)}")
    return samples


def _read_units(root: Path, by_unit: Mapping[int, str], count: int | None, problems: list[str]) -> "np.ndarray":
    """Intensities int (frames, 12), units in the order of UNITS; only frames that all files and the video have."""
    import numpy as np

    columns = []
    for unit in UNITS:
        path = root / by_unit[unit]
        rows = numbers_of(path)
        bad = next((i for i, row in enumerate(rows, 1) if len(row) != 2 or row[0] != i or not 0 <= row[1] <= 5), None)
        if bad is not None:
            expected = f"'{bad},intensity' with an intensity 0 to 5"
            raise DataError(f"{path}: line {bad}: got {rows[bad - 1]}, expected {expected}")
        columns.append(np.array([row[1] for row in rows], np.int64))
    lengths = {len(column) for column in columns} | ({count} if count is not None else set())
    length = min(lengths)
    # decoders differ by a frame or so at the end of a video, which is no fault of the files
    if max(lengths) - length > 2:
        problems.append(f"{by_unit[1]}: labels and images differ in length ({min(lengths)} to {max(lengths)})")
    return np.stack([column[:length] for column in columns], axis=1)


def units_text(coded: "np.ndarray", frame: int) -> str:
    """The units of a frame: `AU12=3 AU25=2`, `neutral` where there are none."""
    units = [f"AU{unit}={value}" for unit, value in zip(UNITS, coded[frame - 1].tolist(), strict=True) if value]
    return " ".join(units) or "neutral"


def holds(coded: "np.ndarray", conditions: Mapping[str, list[str]], where: str) -> "np.ndarray":
    """Frames for which all of `all` and one of `any` hold.

    Args:
        coded: int (frames, 12), intensities 0 to 5 of the units in the order of `UNITS`.
        conditions: texts like `12>=2` under `all` and `any`.
        where: the option, for messages.

    Returns:
        bool (frames,).

    Raises:
        ConfigError: a condition that is not like `12>=2` over a coded unit.
    """
    import numpy as np

    def one(text: str) -> np.ndarray:
        match = CONDITION.fullmatch(text.strip())
        if match is None or int(match["unit"]) not in UNITS:
            raise ConfigError(
                f"{where}: got {text!r}, expected like '12>=2' with a unit of {', '.join(map(str, UNITS))}"
            )
        values, limit = coded[:, UNITS.index(int(match["unit"]))], int(match["value"])
        compare = {">=": np.greater_equal, "<=": np.less_equal, "==": np.equal, "<": np.less, ">": np.greater}
        return compare[match["sign"]](values, limit)

    result = np.ones(len(coded), bool)
    for text in conditions.get("all", []):
        result &= one(text)
    if conditions.get("any"):
        result &= np.any([one(text) for text in conditions["any"]], axis=0)
    return result


def label_frames(coded: "np.ndarray", options: DisfaOptions) -> list[tuple[str, int, str]]:
    """(class, frame from 1, name of its run) of the frames that the rule selects.

    A run is a stretch of frames with one class. `around` frames around its peak are selected; the peak is the frame
    with the largest sum of the units that the class asks for. Neutral frames are the middles of the longest runs
    without any unit.

    Args:
        coded: int (frames, 12), intensities 0 to 5 of the units in the order of `UNITS`.
        options: rule, ties, around and neutral_runs are used.
    """
    import numpy as np

    names = list(options.rule)
    where = "datasets.disfa.options.rule"
    unknown = [name for name in names if name not in CLASSES]
    if unknown:
        raise ConfigError(f"{where}: {unknown[0]!r} is no class; classes: {', '.join(CLASSES)}")
    # bool (frames, classes)
    fired = np.stack([holds(coded, options.rule[name], f"{where}.{name}") for name in names], axis=1)
    first = fired.argmax(axis=1)
    # argmax gives the first class that holds, which is the one with the highest priority
    label = np.where(fired.any(axis=1), first, -1)
    if options.ties == "drop":
        label[fired.sum(axis=1) > 1] = -1
    selected: list[tuple[str, int, str]] = []
    for index, name in enumerate(names):
        asked = [
            UNITS.index(int(m["unit"])) for t in _positive(options.rule[name]) if (m := CONDITION.fullmatch(t.strip()))
        ]
        strength = coded[:, asked].sum(axis=1)  # (frames,)
        for start, stop in runs(label == index):
            top = start + int(strength[start:stop].argmax())
            # shift the window rather than shorten it, so that a peak at the end of a run also gives `around` frames
            low = max(start, min(top - (options.around - 1) // 2, stop - options.around))
            frames = range(low, min(low + options.around, stop))
            selected += [(name, frame + 1, f"{name}_{start + 1:05d}") for frame in frames]
    if "neutral" not in names:
        # long runs first, then early ones; their middle lies farthest from any expression
        longest = sorted(runs((coded == 0).all(axis=1)), key=lambda run: (run[0] - run[1], run[0]))
        for start, stop in sorted(longest[: options.neutral_runs]):
            selected.append(("neutral", (start + stop - 1) // 2 + 1, f"neutral_{start + 1:05d}"))
    return selected


def _positive(conditions: Mapping[str, list[str]]) -> list[str]:
    texts = [*conditions.get("all", []), *conditions.get("any", [])]
    # conditions like 12<1 ask for the absence of a unit, which says nothing of the strength
    return [text for text in texts if ">" in text or "==" in text]


def runs(flags: "np.ndarray") -> list[tuple[int, int]]:
    """Stretches [start, stop) of True in a bool array (frames,)."""
    import numpy as np

    # False on both ends, so that every run has a start and a stop
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


PLUGIN = Disfa()
