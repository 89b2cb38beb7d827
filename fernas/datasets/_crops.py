"""Boxes or landmarks per sample or frame from a table of the user's, in place of those of a detector."""

import math
from pathlib import Path

from fernas.core.errors import DataError
from fernas.datasets._samples import Collected, Sample, sample_id
from fernas.datasets._sheets import Row, read_table
from fernas.datasets._tree import summarise

BOX = ("x0", "y0", "x1", "y1")
POINTS = ("left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y")
COLUMNS = {
    "sample_id": ("sample_id", "sample", "id"),
    "path": ("path", "file", "frame", "image"),
    **{name: (name,) for name in (*BOX, *POINTS)},
}


def apply_own_crops(dataset: str, collected: Collected, root: Path, table: str) -> None:
    """Put boxes and landmarks of a table into the samples.

    A row names a sample (`sample_id`) or a frame (`path` below the root); of several frames of one clip the one at the
    onset counts, since a clip is aligned by one transform. Boxes are x0, y0, x1, y1 px; landmarks the eye centres
    and the nose tip, px (which eye is called left does not matter).

    Raises:
        DataError: no such columns, a cell that is no number, an empty box; names the row.
    """
    path = root / table if (root / table).is_file() else Path(table)
    try:
        # a table needs one of the two keys: where both are absent, the error names path
        rows, names = read_table(path, COLUMNS, ("sample_id",))
    except DataError:
        rows, names = read_table(path, COLUMNS, ("path",))
    has_box, has_points = (all(name in names for name in group) for group in (BOX, POINTS))
    if not has_box and not has_points:
        raise DataError(f"{path}: no columns {', '.join(BOX)} (a box) or {', '.join(POINTS)} (landmarks)")
    by_id = {sample_id(dataset, sample): sample for sample in collected.samples}
    by_frame = {ref: (sample, at) for sample in collected.samples for at, ref in enumerate(sample.frames)}
    best: dict[int, int] = {}
    unknown = []
    for row in rows:
        sample, distance = _target(row, by_id, by_frame)
        if sample is None:
            unknown.append(row["sample_id"] or row["path"])
        # strictly nearer: of two rows equally near to the onset the first one counts
        elif distance < best.get(id(sample), distance + 1):
            best[id(sample)] = distance
            if has_box and any(row[name] for name in BOX):
                sample.box = _box(row)
            if has_points and any(row[name] for name in POINTS):
                # by x: tables disagree whether "left" means the image's or the subject's left
                left, right = sorted(_numbers(row, POINTS[at : at + 2]) for at in (0, 2))
                sample.attributes["landmarks"] = [*left, *right, *_numbers(row, POINTS[4:])]
    if unknown:
        collected.problems.append(f"{path.name}: {len(unknown)} rows are of no sample: {summarise(unknown)}")
    without = sum(id(sample) not in best for sample in collected.samples if sample.excluded is None)
    if without:
        collected.problems.append(f"{path.name}: {without} samples have no row there")


def _target(row: Row, by_id: dict[str, Sample], by_frame: dict[str, tuple[Sample, int]]) -> tuple[Sample | None, int]:
    """The sample of a row, and how far its frame lies from the onset."""
    if row["sample_id"]:
        return by_id.get(row["sample_id"]), 0
    sample, at = by_frame.get(row["path"].replace("\\", "/"), (None, 0))
    return sample, abs(at - ((sample.onset or 0) if sample else 0))


def _numbers(row: Row, names: tuple[str, ...]) -> list[float]:
    values = []
    for name in names:
        try:
            value = float(row[name])
        except ValueError as error:
            raise DataError(f"{row.where}, column {name}: got {row[name]!r}, expected a number") from error
        if not math.isfinite(value):
            raise DataError(f"{row.where}, column {name}: got {row[name]!r}, expected a finite number")
        values.append(value)
    return values


def _box(row: Row) -> list[float]:
    x0, y0, x1, y1 = _numbers(row, BOX)
    if x1 <= x0 or y1 <= y0:
        raise DataError(f"{row.where}: got the box {x0:g}, {y0:g}, {x1:g}, {y1:g}, expected x0 < x1 and y0 < y1")
    return [x0, y0, x1, y1]
