"""ISED: spontaneous expressions, short videos from neutral to apex with a table of peak frames."""

import re
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample
from fernas.datasets._sheets import integer, read_grid
from fernas.datasets._tree import IMAGE, Tree, summarise
from fernas.datasets.containers import video_length

CODES = {"1": "happiness", "2": "surprise", "3": "sadness", "4": "disgust"}
COLUMNS = 16
COMPRESSED = 15  # an element of a .mat (version 5) that is packed by zlib
MAX_UNPACKED = 64 << 20
VIDEO = r"PS[ _-]?(?P<participant>\d+)/(?P<clip>\d+)\.(?:avi|mp4|mov|wmv)"
PEAK = r"(?P<participant>\d+)_(?P<clip>\d+)_(?P<frame>\d+)" + IMAGE


class IsedOptions(Options):
    """Options of ISED."""

    images: Literal["auto", "videos", "peaks"] = Field(
        "auto", description="the videos, or the peak images alone; auto: videos where they are"
    )
    details: str | None = Field(None, description="ISED_details.mat or a csv of its 16 columns below the root")
    face_box: Literal["ignore", "xywh", "xyxy"] = Field(
        "ignore", description="form of the face boxes in column 13 (form not verified): used when detectors fail"
    )


class Ised(Adapter):
    """Reads `ISED_details.mat` (or the same columns as csv), `videos/PS 1/4.avi` and `peakImages/1_4_7.jpg`."""

    Config = IsedOptions
    spec = DatasetSpec(
        name="ised",
        title="ISED (Indian Spontaneous Expression Database)",
        kind="sequences",
        classes=tuple(CODES.values()),
        licence="licence form, academic use only",
        citation="Happy, Patnaik, Routray, Guha: The Indian Spontaneous Expression Database, IEEE TAC 8(1), 2017",
        homepage="https://sites.google.com/site/iseddatabase",
        fps=50.0,
        subjects=50,
        counts={"happiness": 227, "surprise": 73, "sadness": 48, "disgust": 80},
        labels=CODES,
        layout=(
            "ISED_details.mat or ised_details.csv (16 columns: participant number, id, video, peak frame, ..., label)",
            "videos/PS 1/4.avi (PS and the participant's number, with a blank)",
            "peakImages/26_7_39.jpg (participant, clip, peak frame)",
        ),
        frame_rule="videos run from neutral to the apex region; the peak frame is annotated, counted from 1",
        protocol="no official one; leave one subject out or k-fold by subject, 4 classes; accuracy and macro F1",
        tasks={"ised-4": {"classes": tuple(CODES.values()), "frames": {"kind": "peak", "peak": 3, "neutral": 0}}},
        notes=(
            "the variable's name and type in the .mat and the form of its boxes are unsure",
            "counts per class and 50 frames per second are from memory (their sum, 428, is published)",
        ),
    )

    def collect(self, root: Path, options: IsedOptions) -> Collected:
        """One sample per row of the table."""
        tree = Tree.walk(root)
        name = tree.one(
            r"ISED_?details\.(?:csv|mat|xlsx)", "table (ISED_details.mat or ised_details.csv)", options.details
        )
        rows = _rows(root / name)
        videos = {(int(m["participant"]), int(m["clip"])): m.string for m in tree.find(VIDEO)}
        peaks = {(int(m["participant"]), int(m["clip"])): m.string for m in tree.find(r"peakImages/" + PEAK)}
        use_videos = options.images == "videos" or (options.images == "auto" and bool(videos))
        problems = list(tree.problems)
        samples: list[Sample] = []
        row_of: dict[tuple[int, int], str] = {}
        for where, cells in rows:
            sample, key = _sample(where, cells, options)
            if key in row_of:
                raise DataError(f"{where}: participant {key[0]}, video {key[1]} is already in {row_of[key]}")
            row_of[key] = where.rsplit(": ", 1)[-1]
            if use_videos:
                _from_video(root, sample, videos.get(key), int(cells[3]))
            else:
                sample.frames = [peaks[key]] if key in peaks else []
                sample.excluded = None if key in peaks else "no peak image"
            if sample.excluded:
                problems.append(f"{where}: {sample.subject}/{sample.clip}: {sample.excluded}")
            samples.append(sample)
        left = [ref for key, ref in (videos if use_videos else peaks).items() if key not in row_of]
        if left:
            problems.append(f"{len(left)} {'videos' if use_videos else 'peak images'} have no row: {summarise(left)}")
        return Collected(samples, problems)


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    """(file and row, cells) of the rows; a header is left out."""
    grid = _mat_grid(path) if path.suffix.lower() == ".mat" else read_grid(path)
    rows = []
    for number, cells in enumerate(grid, start=1):
        # the .mat has no header, a csv made of it may have one
        if not any(cells) or (number == 1 and not cells[0].isdigit()):
            continue
        where = f"{path}: row {number}"
        if len(cells) < 7:
            raise DataError(f"{where}: got {len(cells)} cells, expected {COLUMNS}")
        # column 2 is the participant's id, which differs from the number that folders use
        for at, what in ((0, "participant number"), (2, "video number"), (3, "peak frame")):
            if integer(cells[at], f"{where}, column {at + 1} ({what})") is None:
                raise DataError(f"{where}, column {at + 1} ({what}): missing")
        rows.append((where, [*cells, *[""] * (COLUMNS - len(cells))]))
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _mat_grid(path: Path) -> list[list[str]]:
    """The only table of 16 columns in a .mat as text: a cell array, or a struct array with 16 fields."""
    import numpy as np
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    hint = "write it as csv with its 16 columns instead (in MATLAB: writetable or writecell)"
    _refuse_bomb(path)
    try:
        # squeeze: MATLAB wraps every cell in a matrix of 1 x 1
        content = loadmat(path, squeeze_me=True)
    except (OSError, ValueError, NotImplementedError, MatReadError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not a readable .mat file ({error}); {hint}") from error
    for name, value in content.items():
        if name.startswith("__") or not isinstance(value, np.ndarray):
            continue
        if value.dtype.names is not None and len(value.dtype.names) == COLUMNS:
            return [[_text(cell) for cell in row] for row in np.atleast_1d(value).tolist()]
        # squeeze_me has also squeezed a table of one row
        if value.ndim == 1 and value.size == COLUMNS and value.dtype == object:
            value = value[None]
        if value.ndim == 2 and value.shape[1] == COLUMNS:
            return [[_text(cell) for cell in row] for row in value.tolist()]
    names = ", ".join(name for name in content if not name.startswith("__"))
    raise DataError(f"{path}: no variable with {COLUMNS} columns; there: {names or 'nothing'}; {hint}")


def _refuse_bomb(path: Path) -> None:
    """Refuse a .mat whose compressed variables unpack to more than `MAX_UNPACKED`."""
    data = path.read_bytes()
    # bytes 126 and 127 of the header of a .mat tell the byte order; elements follow from byte 128
    order = "<" if data[126:128] == b"IM" else ">"
    start, left = 128, MAX_UNPACKED
    while start + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, start)
        if kind == COMPRESSED:
            try:
                # decompress at most what is left, so that the check itself cannot fill the memory
                left -= len(zlib.decompressobj().decompress(data[start + 8 : start + 8 + size], left + 1))
            except zlib.error:
                return  # the reader reports what is wrong with it
        if left < 0:
            raise DataError(f"{path}: unpacks to more than {MAX_UNPACKED >> 20} MiB, expected a table")
        start += 8 + size


def _text(value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return " ".join(_text(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _sample(where: str, cells: list[str], options: IsedOptions) -> tuple[Sample, tuple[int, int]]:
    code = cells[6].strip().lower()
    label = CODES.get(code.split(".")[0], code if code in CODES.values() else None)
    if label is None:
        raise DataError(f"{where}, column 7 (label): got {cells[6]!r}, expected 1 to 4")
    names = ("participant_id", "intensity", "sex", "glasses", "beard", "occlusion", "face_box")
    attributes = {name: cells[at] for name, at in zip(names, (1, 7, 8, 9, 10, 11, 12), strict=True) if cells[at]}
    key = (int(float(cells[0])), int(float(cells[2])))
    box = None if options.face_box == "ignore" else _box(cells[12], options.face_box, f"{where}, column 13 (face box)")
    return Sample(str(key[1]), [], label, cells[6], subject=str(key[0]), box=box, attributes=attributes), key


def _box(text: str, form: str, where: str) -> list[float] | None:
    numbers = [float(word) for word in re.findall(r"-?\d+(?:\.\d+)?", text)]
    if not numbers:
        return None
    if len(numbers) != 4:
        raise DataError(f"{where}: got {text!r}, expected four numbers")
    x, y, a, b = numbers
    return [x, y, x + a, y + b] if form == "xywh" else [x, y, a, b]


def _from_video(root: Path, sample: Sample, video: str | None, peak: int) -> None:
    """Frames of the video; the peak is counted from 1."""
    if video is None:
        sample.excluded = "no video"
        return
    try:
        count = video_length(root / video)
    except DataError as error:
        sample.excluded = str(error)
        return
    sample.kind = "clip"
    sample.frames = [f"{video}#{n}" for n in range(count)]
    if not 1 <= peak <= count:
        sample.excluded = f"the peak frame {peak} is not among the video's {count} frames"
        return
    # the table counts frames from 1
    sample.onset, sample.apex, sample.offset, sample.apex_source = 0, peak - 1, count - 1, "annotated"


PLUGIN = Ised()
