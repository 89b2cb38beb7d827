"""What the networks see: the stored images of a view, one per sample, and the table that says which row is which."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import plugins
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import atomic_path, write_parquet
from fernas.core.progress import progress as show_progress
from fernas.faces.geometry import to_aligned
from fernas.views._base import FaceFrames, Phases, ReadFrame, View

TEXT_COLUMNS = ("source_id", "subject", "label", "face_status", "nose_source", "excluded")


@dataclass(frozen=True)
class InputSources:
    """What the inputs of a task are made from.

    Attributes:
        samples: the task's samples (`fernas.datasets.tasks.task_samples`).
        manifest: where their frames are.
        faces: the faces table of `fernas.faces.align`.
        read_frame: (dataset, reference) -> uint8 RGB (H, W, 3).
        no_face: `centre_crop` keeps samples without a face, `exclude` takes them out.
    """

    samples: pd.DataFrame
    manifest: pd.DataFrame
    faces: pd.DataFrame
    read_frame: ReadFrame
    no_face: str = "centre_crop"


@dataclass(frozen=True)
class _ChosenView:
    """A view with its options, as the config names it."""

    plugin: View
    options: Any


def view_of(section: Mapping[str, Any]) -> tuple[View, Any]:
    """The plug-in and the checked options of a view's section, `{kind: ..., and its options}`.

    Raises:
        ConfigError: no such view, or options that it does not have.
    """
    plugin: View = plugins.load("views", section["kind"])
    return plugin, plugin.options({name: value for name, value in section.items() if name != "kind"})


def make_inputs(
    sources: InputSources,
    view: Mapping[str, Any],
    out_npy: Path | str,
    out_table: Path | str,
    progress: Callable[..., Iterable[Any]] = show_progress,
) -> None:
    """Write a view of a task: inputs.npy, (N, *shape of the view), and inputs.parquet, its rows in order.

    Images are uint8 (N, size, size, C), C 3 or 1; features are float32 (N, 1, 1, F).

    Every sample has a row. One that cannot be made (a clip of one frame, a missing face under `exclude`) is zero and
    `excluded` holds the reason. An image is written as soon as it is made, so memory grows neither with the length of
    the clips nor with their number.

    Args:
        sources: samples, frames and faces.
        view: the section of the config: kind and options.
        out_npy: the array to write.
        out_table: the table to write: row, sample_id, source_id, subject, dataset, label, class_index, face_status,
            nose_x, nose_y (nose tip, pixels of the aligned image), nose_source (landmarks, estimated from eyes or
            mean), excluded.
        progress: called as progress(items, total=, desc=).

    Raises:
        ConfigError: a view of clips on samples that are stills.
        ContractError: a sample without a manifest row or a face row.
        DataError: no samples, or a frame that cannot be read.
    """
    if len(sources.samples) == 0:
        raise DataError(f"{out_npy}: no samples")
    chosen = _ChosenView(*view_of(view))
    table, frames = _plan(sources, chosen)
    rows = [row for row, reason in enumerate(table["excluded"]) if reason is None]
    shape = (len(table), *chosen.plugin.shape(chosen.options))
    with atomic_path(out_npy) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.dtype(chosen.plugin.dtype), shape=shape)
        # The array is mapped: an image goes to disk when it is made, and the file gets its name when all are.
        for row in progress(rows, total=len(rows), desc=f"make {chosen.plugin.name} inputs"):
            array[row] = _make(chosen, frames[row], table["sample_id"][row])
        array.flush()
        del array
    # the table last: with it, both files are complete
    write_parquet(out_table, table)


def _make(view: _ChosenView, frames: FaceFrames | None, sample_id: str) -> np.ndarray:
    assert frames is not None  # noqa: S101 - rows without a transform are excluded
    try:
        return view.plugin.make(frames, view.options)
    except DataError as error:
        raise DataError(f"{sample_id}: {error}") from error


def _plan(sources: InputSources, view: _ChosenView) -> tuple[pd.DataFrame, list[FaceFrames | None]]:
    """The table of rows, and the frames of each row: None where no transform is known."""
    frames_of = dict(zip(sources.manifest["sample_id"], sources.manifest["frames"], strict=True))
    # a sample's id may name a frame; manifest and faces are by its source, one transform per clip
    face_of = {row["sample_id"]: row for row in _records(sources.faces)}
    rows: list[dict[str, Any]] = []
    frames: list[FaceFrames | None] = []
    for number, sample in enumerate(_records(sources.samples)):
        source_id = sample["source_id"]
        if source_id not in frames_of or source_id not in face_of:
            where = "manifest" if source_id not in frames_of else "faces table"
            raise ContractError(f"{sample['sample_id']}: its source {source_id} has no row in the {where}")
        face, references = face_of[source_id], list(frames_of[source_id])
        given = [int(position) for position in sample["positions"]]
        positions = positions_of_view(view.plugin, view.options, given, len(references), sample["sample_id"])
        transform = face["transform"]
        if transform is None:
            frames.append(None)
        else:
            transform = np.asarray(transform, np.float64).reshape(2, 3)
            chosen = tuple(references[position] for position in positions)
            frames.append(FaceFrames(sample["dataset"], chosen, transform, sources.read_frame))
        rows.append(
            {
                "row": number,
                **{name: sample[name] for name in ("sample_id", "source_id", "subject", "dataset", "label")},
                "class_index": int(sample["class_index"]),
                "face_status": face["status"],
                **_nose(face, transform, view.options.size),
                "excluded": _excluded(face, len(positions), view, sources.no_face),
            }
        )
    table = pd.DataFrame(rows)
    for name in TEXT_COLUMNS:
        # None, not nan: parquet then has text columns whatever is missing
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table, frames


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _nose(face: dict[str, Any], transform: np.ndarray | None, size: int) -> dict[str, Any]:
    """The nose tip in pixels of the aligned image, NaN where there is none, and where it comes from."""
    nose = np.full(2, np.nan)
    if transform is not None:
        nose = to_aligned(transform, np.asarray(face["landmarks"], np.float64)[4:6], size)
    return {"nose_x": float(nose[0]), "nose_y": float(nose[1]), "nose_source": face.get("nose_source")}


def _excluded(face: dict[str, Any], frames: int, view: _ChosenView, no_face: str) -> str | None:
    """Why a sample has no image, or None."""
    if face["transform"] is None:
        return f"no image: {face['reason']}"
    if face["status"] == "no_face" and no_face == "exclude":
        return f"no face: {face['reason']}"
    if view.plugin.needs_clips and frames < 2:
        return f"a clip of one frame ({view.plugin.span_text(view.options)}): nothing moves"
    return None


def positions_of_view(view: View, options: Any, positions: list[int], frames: int, sample_id: str) -> list[int]:
    """The frames of a sample that a view reads, in the order of time.

    Args:
        view: the plug-in.
        options: its checked options.
        positions: one position for a still or a peak frame; onset, apex and offset for a clip.
        frames: number of frames of the sample's source.
        sample_id: for the message.

    Raises:
        ConfigError: a view of clips on a still.
        DataError: a position beyond the frames, or out of order.
    """
    if any(not 0 <= p < frames for p in positions) or positions != sorted(positions):
        raise DataError(f"{sample_id}: positions {positions} do not fit its {frames} frames in order")
    if len(positions) > 1:
        onset, apex, offset = positions
        return view.positions(Phases(onset, apex, offset, frames), options)
    if view.needs_clips:
        raise ConfigError(f"{sample_id}: a view of kind {view.name} needs clips: set frames.kind of its task to clip")
    return positions
