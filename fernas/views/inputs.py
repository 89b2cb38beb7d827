"""What the networks see: the stored images of a view, one per sample, and the table that says which row is which."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.config import ViewConfig
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.images import to_grey
from fernas.core.io import atomic_path, write_parquet
from fernas.core.progress import progress as show_progress
from fernas.faces.geometry import to_aligned
from fernas.faces.warp import source_window, warp_face
from fernas.views.lbp_top import feature_count, lbp_top, resampled
from fernas.views.pool import Window, pool_frames, to_image
from fernas.views.weights import exact, fixed_weights

ReadFrame = Callable[[str, str], np.ndarray]
CLIP_KINDS = ("dynamic", "apex_minus_onset", "lbp_top")


@dataclass(frozen=True)
class _Source:
    """One sample with all that its image is made from."""

    sample_id: str
    dataset: str
    frames: list[str]
    positions: list[int]
    transform: np.ndarray | None


def make_inputs(
    samples: pd.DataFrame,
    manifest: pd.DataFrame,
    faces: pd.DataFrame,
    view: ViewConfig,
    read_frame: ReadFrame,
    out_npy: Path | str,
    out_table: Path | str,
    progress: Callable[..., Iterable[Any]] = show_progress,
    no_face: str = "centre_crop",
    threads: int = 1,
) -> None:
    """Write a view of a task: inputs.npy, uint8 (N, size, size, C), C 3 or 1, and inputs.parquet, its rows in order.

    A view of features (`lbp_top`) is float32 (N, 1, 1, F).

    Every sample has a row; one that cannot be made (a clip of one frame, a missing face under `exclude`) is black and
    its reason stands in `excluded`. Each frame is decoded once, sums are float32 and are warped once; an image is
    written as soon as it is made, so memory grows neither with the clips nor with their number.

    Args:
        samples: the task's samples (`fernas.datasets.tasks.task_samples`).
        manifest: where their frames are.
        faces: the faces table of `fernas.faces.align`.
        view: kind, size, colour, weights, span.
        read_frame: (dataset, reference) -> uint8 RGB (H, W, 3).
        out_npy: the array to write.
        out_table: the table to write: row, sample_id, source_id, subject, dataset, label, class_index, face_status,
            nose_x, nose_y (nose tip, pixels of the aligned image), nose_source (landmarks, estimated from eyes or
            mean), excluded.
        progress: called as progress(items, total=, desc=).
        no_face: `centre_crop` keeps samples without a face, `exclude` takes them out.
        threads: samples worked on at the same time; the result is the same.

    Raises:
        ConfigError: a view of clips on samples that are stills.
        ContractError: a sample without a manifest row or a face row.
        DataError: no samples, or a frame that cannot be read.
    """
    if len(samples) == 0:
        raise DataError(f"{out_npy}: no samples")
    table, sources = _plan(samples, manifest, faces, view, no_face)
    todo = [row for row, reason in enumerate(table["excluded"]) if reason is None]
    shape = (len(table), view.size, view.size, 3 if view.colour == "rgb" else 1)
    kind: type = np.uint8
    if view.features:
        kind = np.float32
        shape = (len(table), 1, 1, feature_count(view.lbp.neighbours, view.lbp.blocks))
    with atomic_path(out_npy) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=kind, shape=shape)
        made = _each(todo, lambda row: _image(sources[row], view, read_frame), threads)
        for row, image in progress(made, total=len(todo), desc=f"make {view.kind} inputs"):
            array[row] = image
        array.flush()
        del array
    write_parquet(out_table, table)


def _each(rows: list[int], make: Callable[[int], np.ndarray], threads: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rows with their images, made by several threads or one."""
    if threads <= 1:
        yield from ((row, make(row)) for row in rows)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from zip(rows, pool.map(make, rows), strict=True)


def _plan(
    samples: pd.DataFrame, manifest: pd.DataFrame, faces: pd.DataFrame, view: ViewConfig, no_face: str
) -> tuple[pd.DataFrame, list[_Source]]:
    """The table of rows and what each row's image is made from."""
    frames_of = dict(zip(manifest["sample_id"], manifest["frames"], strict=True))
    face_of = {row["sample_id"]: row for row in _records(faces)}
    sources, rows = [], []
    for number, sample in enumerate(_records(samples)):
        source_id = sample["source_id"]
        if source_id not in frames_of or source_id not in face_of:
            where = "manifest" if source_id not in frames_of else "faces table"
            raise ContractError(f"{sample['sample_id']}: its source {source_id} has no row in the {where}")
        face = face_of[source_id]
        flat = face["transform"]
        transform = np.asarray(flat, np.float64).reshape(2, 3) if flat is not None else None
        frames = list(frames_of[source_id])
        positions = positions_of_view([int(p) for p in sample["positions"]], len(frames), view, sample["sample_id"])
        source = _Source(sample["sample_id"], sample["dataset"], frames, positions, transform)
        sources.append(source)
        rows.append(_row(number, sample, face, source, view, no_face))
    table = pd.DataFrame(rows)
    for name in ("source_id", "subject", "label", "face_status", "nose_source", "excluded"):
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table, sources


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _row(
    number: int, sample: dict[str, Any], face: dict[str, Any], source: _Source, view: ViewConfig, no_face: str
) -> dict[str, Any]:
    nose = np.full(2, np.nan)
    if source.transform is not None:
        nose = to_aligned(source.transform, np.asarray(face["landmarks"], np.float64)[4:6], view.size)
    return {
        "row": number,
        "sample_id": sample["sample_id"],
        "source_id": sample["source_id"],
        "subject": sample["subject"],
        "dataset": sample["dataset"],
        "label": sample["label"],
        "class_index": int(sample["class_index"]),
        "face_status": face["status"],
        "nose_x": float(nose[0]),
        "nose_y": float(nose[1]),
        "nose_source": face.get("nose_source"),
        "excluded": _excluded(face, source, view, no_face),
    }


def _excluded(face: dict[str, Any], source: _Source, view: ViewConfig, no_face: str) -> str | None:
    if source.transform is None:
        return f"no image: {face['reason']}"
    if face["status"] == "no_face" and no_face == "exclude":
        return f"no face: {face['reason']}"
    if view.kind in CLIP_KINDS and len(source.positions) < 2:
        span = "apex is onset" if view.kind == "apex_minus_onset" else view.span
        return f"a clip of one frame ({span}): nothing moves"
    return None


def positions_of_view(positions: list[int], frames: int, view: ViewConfig, sample_id: str) -> list[int]:
    """The frames that a view reads, in the order of time.

    Args:
        positions: one position for a still or a peak; onset, apex and offset for a clip.
        frames: number of frames of the clip.
        view: kind and span.
        sample_id: for the message.

    Raises:
        ConfigError: a view of clips on a still.
        DataError: a position beyond the frames, or out of order.
    """
    if any(not 0 <= p < frames for p in positions) or positions != sorted(positions):
        raise DataError(f"{sample_id}: positions {positions} do not fit its {frames} frames in order")
    if len(positions) == 1:
        if view.kind in CLIP_KINDS:
            raise ConfigError(
                f"{sample_id}: a view of kind {view.kind} needs clips: set frames.kind of its task to clip"
            )
        return positions
    onset, apex, offset = positions
    if view.kind in ("still", "apex"):
        return [apex]
    if view.kind == "apex_minus_onset":
        return [onset, apex] if apex > onset else [apex]
    first, last = {"onset_apex": (onset, apex), "onset_offset": (onset, offset), "all": (0, frames - 1)}[view.span]
    return list(range(first, last + 1))


def _image(source: _Source, view: ViewConfig, read_frame: ReadFrame) -> np.ndarray:
    """The stored image of one sample, uint8 (size, size, C), or its features, float32 (1, 1, F)."""
    assert source.transform is not None  # noqa: S101 - rows without one are excluded

    if view.kind in ("still", "apex"):
        frame = read_frame(source.dataset, source.frames[source.positions[0]])
        aligned = warp_face(frame, source.transform, view.size)
        return aligned if view.colour == "rgb" else to_grey(aligned)[:, :, None]
    if view.kind == "lbp_top":
        return _features(source, view, read_frame)
    try:
        raw = _aligned_sum(source, view, read_frame)
    except DataError as error:
        raise DataError(f"{source.sample_id}: {error}") from error
    return to_image(raw if view.colour == "rgb" else to_grey(raw)[:, :, None])


def _features(source: _Source, view: ViewConfig, read_frame: ReadFrame) -> np.ndarray:
    """LBP-TOP of the aligned grey clip, float32 (1, 1, F)."""
    assert source.transform is not None  # noqa: S101 - rows without one are excluded
    frames = []
    for position in source.positions:
        frame = read_frame(source.dataset, source.frames[position])
        frames.append(to_grey(warp_face(frame, source.transform, view.size)))
    options = view.lbp
    volume = resampled(np.stack(frames), options.frames)
    return lbp_top(volume, options.radius, options.neighbours, options.blocks)[None, None]


def _aligned_sum(source: _Source, view: ViewConfig, read_frame: ReadFrame) -> np.ndarray:
    """The raw sum of a clip's frames in the aligned face, float32 (size, size, 3)."""
    assert source.transform is not None  # noqa: S101 - rows without one are excluded
    refs = [source.frames[position] for position in source.positions]
    first = read_frame(source.dataset, refs[0])
    height, width = first.shape[:2]

    def read(number: int) -> np.ndarray:
        if number == 0:
            return first
        frame = read_frame(source.dataset, refs[number])
        if frame.shape != first.shape:
            raise DataError(f"{refs[number]} is {frame.shape[1]}x{frame.shape[0]} px, {refs[0]} {width}x{height}")
        return frame

    if view.kind == "dynamic" and view.weights == "exact":
        # The weights depend on all frames, so the small aligned faces are held in memory.
        faces = [warp_face(read(n).astype(np.float32), source.transform, view.size) for n in range(len(refs))]
        return pool_frames(faces.__getitem__, exact(np.stack(faces)))
    weights = np.array([-1.0, 1.0]) if view.kind == "apex_minus_onset" else fixed_weights(view.weights, len(refs))
    window, moved = source_window(source.transform, height, width)
    return warp_face(pool_frames(read, weights, Window(*window)), moved, view.size)
