"""CK+: posed sequences from neutral to apex, labels in one text file per sequence."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Sample, attributes_of, eyes_and_nose
from fernas.datasets._labels import BASIC
from fernas.datasets._tree import IMAGE, Clip, Tree, collect_clips, numbers_of, stem_of, summarise

if TYPE_CHECKING:
    import numpy as np

CODES = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
SEQUENCE = r"(?P<subject>S\d{3,})/(?P<sequence>\d{3,})/(?P=subject)_(?P=sequence)_(?P<number>\d+)"


class CkPlus(Adapter):
    """Reads `cohn-kanade-images/`, `Emotion/`, and where present `Landmarks/` and `FACS/`, under any wrapper folder."""

    spec = DatasetSpec(
        name="ckplus",
        title="CK+ (extended Cohn-Kanade)",
        kind="sequences",
        classes=("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
        licence="research licence by request form; only some subjects may be printed",
        citation="Lucey, Cohn, Kanade, Saragih, Ambadar, Matthews: The Extended Cohn-Kanade Dataset, CVPRW 2010",
        homepage="https://www.jeffcohn.net/Resources/",
        fps=30.0,
        subjects=118,
        counts={"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83},
        same_people_as=("ck48",),
        labels={str(code): word for code, word in enumerate(CODES)},
        layout=(
            "cohn-kanade-images/S005/001/S005_001_00000001.png (one folder per subject and sequence)",
            "Emotion/S005/001/S005_001_00000011_emotion.txt (one number in scientific notation)",
            "Landmarks/S005/001/S005_001_00000001_landmarks.txt (optional; 68 lines of x y)",
            "FACS/S005/001/S005_001_00000011_facs.txt (optional; action unit and intensity per line)",
        ),
        frame_rule="the sequence ends at its apex: the last 3 frames carry the label, the first one is neutral",
        protocol="10-fold by subject: fold k holds the sorted subjects whose position modulo 10 is k; accuracy",
        tasks={
            "ckplus-6": {"classes": BASIC, "frames": {"kind": "peak", "peak": 3, "neutral": 0}},
            "ckplus-7n": {"classes": (*BASIC, "neutral"), "frames": {"kind": "peak", "peak": 3, "neutral": 1}},
            "ckplus-7c": {
                "classes": ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
                "frames": {"kind": "peak", "peak": 3, "neutral": 0},
            },
        },
        notes=(
            "wrapper folders (Emotion_labels/Emotion, extended-cohn-kanade-images) differ between releases",
            "30 frames per second is from memory",
            "the licence terms are from memory",
        ),
    )

    def collect(self, root: Path, options: Any) -> Collected:
        """One sample per labelled sequence."""
        tree = Tree.walk(root)
        images = collect_clips(tree, SEQUENCE + IMAGE, lambda m: (m["subject"].upper(), m["sequence"]))
        problems = tree.problems + images.problems
        # the emotion files decide which sequences are samples: only 327 of 593 sequences have a label
        labels = _label_files(tree)
        landmarks, facs = (
            {(m["subject"].upper(), m["sequence"]): m.string for m in tree.find(SEQUENCE + ending)}
            for ending in (r"_landmarks\.txt", r"_facs\.txt")
        )
        samples = []
        for key, (name, number) in labels.items():
            sample = _sample(root, key, name, number, images.clips.get(key))
            samples.append(sample)
            if sample.excluded:
                problems.append(f"{name}: {sample.excluded}")
            if key in landmarks:
                sample.attributes["landmarks_in"] = landmarks[key].rsplit("/", 1)[0]
            if key in facs:
                sample.attributes["facs"] = numbers_of(root / facs[key])
        if not images.clips:
            problems.append("no sequences named like S005/001/S005_001_00000001.png")
        unused = [
            f for f in tree.files if f.lower().endswith("_emotion.txt") and f not in {n for n, _ in labels.values()}
        ]
        if unused:
            problems.append(
                f"{len(unused)} emotion files are not used (name and folder disagree, or twice): {summarise(unused)}"
            )
        return Collected(samples, problems, sources=images.sources())

    def own_landmarks(self, root: Path | str, row: Mapping[str, Any]) -> "np.ndarray | None":
        """Eye centres and nose tip from the sequence's tracked 68 points of the onset frame, (3, 2) px."""
        import numpy as np

        from_table = super().own_landmarks(root, row)
        folder = attributes_of(row).get("landmarks_in")
        frames = list(row["frames"])
        if from_table is not None or folder is None or not frames:
            return from_table
        # nan is not equal to itself: a row read from parquet has nan or NA instead of None
        onset = 0 if row["onset"] is None or row["onset"] != row["onset"] else int(row["onset"])
        path = Path(root) / folder / f"{stem_of(frames[onset])}_landmarks.txt"
        if not path.is_file():
            return None
        points = numbers_of(path)
        if len(points) != 68 or any(len(point) != 2 for point in points):
            raise DataError(f"{path}: got {len(points)} lines, expected 68 of two numbers")
        return eyes_and_nose(np.asarray(points))


def _label_files(tree: Tree) -> dict[tuple[str, str], tuple[str, int]]:
    """(subject, sequence) -> emotion file and the peak's frame number in its name; the shallowest file of several."""
    labels: dict[tuple[str, str], tuple[str, int]] = {}
    matches = sorted(tree.find(SEQUENCE + r"_emotion\.txt"), key=lambda m: m.string.count("/"))
    for match in matches:
        key = (match["subject"].upper(), match["sequence"])
        if key not in labels:
            labels[key] = (match.string, int(match["number"]))
        elif _code(tree.root / match.string) != _code(tree.root / labels[key][0]):
            first = labels[key][0]
            raise DataError(f"{tree.root / match.string}: another label than {first} has for the same sequence")
    return labels


def _code(path: Path) -> int | None:
    """The label in an emotion file, None when the file is empty."""
    rows = numbers_of(path)
    if not rows:
        return None
    # written as 7.0000000e+00, so it is read as a float and checked to be whole
    value = rows[0][0]
    if len(rows) > 1 or len(rows[0]) > 1 or value != int(value) or not 0 <= value < len(CODES):
        raise DataError(f"{path}: got {' '.join(str(v) for v in rows[0])}, expected one whole number from 0 to 7")
    return int(value)


def _sample(root: Path, key: tuple[str, str], name: str, number: int, clip: Clip | None) -> Sample:
    """The sequence of an emotion file `name`, whose name holds the peak's frame number."""
    code = _code(root / name)
    word = CODES[code] if code else None
    sample = Sample(clip=key[1], subject=key[0], frames=list(clip.refs) if clip else [], label=word,
                    raw_label="" if code is None else str(code), kind="clip")  # fmt: skip
    if code is None:
        sample.excluded = "the emotion file is empty"
    # a sequence ends at an expression; neutral frames come from the first images by the task's frame rule
    elif code == 0:
        sample.excluded = "label 0 (neutral), which no sequence of the published dataset has"
    elif clip is None:
        sample.excluded = f"no images of sequence {key[0]}/{key[1]}"
    elif number not in clip.numbers:
        sample.excluded = f"the peak frame {number} has no image (last one: {clip.numbers[-1]})"
    else:
        # the apex is the frame that the emotion file is named after, by its number
        sample.onset, sample.apex, sample.offset = 0, clip.numbers.index(number), clip.numbers.index(number)
        sample.apex_source = "last"
    return sample


PLUGIN = CkPlus()
