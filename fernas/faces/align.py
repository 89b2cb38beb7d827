"""One row per sample of a manifest: where its face is, and the one transform that all its frames are aligned by."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.config import FacesConfig
from fernas.core.errors import ContractError
from fernas.core.progress import progress as show_progress
from fernas.faces._aligner import Aligner, Face, ReadFrame, ShippedLandmarksOf
from fernas.faces.find import check_landmarkers
from fernas.faces.geometry import to_aligned, to_source

logger = logging.getLogger(__name__)

COLUMNS = (
    "sample_id", "status", "reason", "detector", "landmarker", "box", "landmarks", "nose_source", "reference_frame",
    "score", "transform",
)  # fmt: skip


def align_manifest(
    manifest: pd.DataFrame,
    read_frame: ReadFrame,
    shipped_landmarks: ShippedLandmarksOf | None,
    ships_crops: Mapping[str, bool],
    config: FacesConfig,
    progress: Callable[..., Iterable[Any]] = show_progress,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find and align the face of every row of a manifest; deterministic.

    The onset frame is tried first, then the following ones up to `max_tries`. The first frame with plausible landmarks
    gives the transform of the whole clip: one transform per frame would cancel motion or invent it. A face without
    landmarks is placed by its box. A sample without a face keeps the largest centred square of its image, with
    `status` "no_face" and a reason.

    Args:
        manifest: one row per sample (columns `sample_id, dataset, frames, onset, box` are read).
        read_frame: (dataset, reference) -> uint8 RGB (H, W, 3).
        shipped_landmarks: manifest row -> the landmarks that its dataset ships, float (3, 2): image-left eye,
            image-right eye, nose tip, in source pixels of the row's first frame (the onset); or None.
        ships_crops: dataset -> whether it ships cropped faces: nothing is detected, the whole image is the face.
        config: detectors, landmarkers and the canonical face.
        progress: called as progress(items, total=, desc=).

    Returns:
        The faces table, one row per manifest row in its order (columns `COLUMNS`), and previews uint8 (N, p, p, 3).

    Raises:
        ConfigError: dlib or a model file that the config asks for is missing.
    """
    warning = check_landmarkers(config)
    if warning is not None:
        logger.warning("%s", warning)
    rows: list[Any] = manifest.to_dict("records")
    aligner = Aligner(config, read_frame, shipped_landmarks)
    previews = np.zeros((len(rows), config.preview_px, config.preview_px, 3), np.uint8)
    faces = []
    for number, row in enumerate(progress(rows, total=len(rows), desc="align faces")):
        face = aligner.align(row, ships_crops.get(row["dataset"], False))
        if face.preview is not None:
            previews[number] = face.preview
        faces.append(replace(face, preview=None))
    # a second pass: the mean nose of a dataset is known only when all its faces are
    faces = _fill_missing_noses([str(row["dataset"]) for row in rows], faces, config)
    table = pd.DataFrame(
        [_record(row["sample_id"], face) for row, face in zip(rows, faces, strict=True)], columns=list(COLUMNS)
    )
    # a table without rows or scores would have other column types
    table["reference_frame"] = table["reference_frame"].astype("int64")
    table["score"] = table["score"].astype("float64")
    _log_summary(table)
    return table, previews


def merge_faces(
    manifest: pd.DataFrame, parts: list[pd.DataFrame], previews: list[np.ndarray]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The faces of a composite, taken from those of its parts in the order of the composite's manifest.

    Raises:
        ContractError: a sample of the composite has no row in any part.
    """
    row_of = {
        sample_id: (number, position)
        for number, part in enumerate(parts)
        for position, sample_id in enumerate(part["sample_id"])
    }
    missing = [s for s in manifest["sample_id"] if s not in row_of]
    if missing:
        raise ContractError(
            f"faces: {len(missing)} samples of the composite are in none of its parts, first {missing[0]}"
        )
    rows = [row_of[s] for s in manifest["sample_id"]]
    if not rows:
        return parts[0][:0], previews[0][:0]
    table = pd.concat([parts[number].iloc[[position]] for number, position in rows], ignore_index=True)
    return table, np.stack([previews[number][position] for number, position in rows])


def _fill_missing_noses(datasets: list[str], faces: list[Face], config: FacesConfig) -> list[Face]:
    """Noses that no landmarker gave: the mean aligned nose of the dataset, of all rows, or the canonical one."""
    aligned_noses: dict[str, list[np.ndarray]] = {}
    for dataset, face in zip(datasets, faces, strict=True):
        if face.nose is not None and face.transform is not None:
            aligned_noses.setdefault(dataset, []).append(to_aligned(face.transform, face.nose))
    everywhere = [nose for noses in aligned_noses.values() for nose in noses]
    # Landmarks lie half a pixel left of and above positions in the unit square, hence - 0.5 (`geometry`, size 1).
    canonical = np.array([0.5, config.eye_line + config.nose_drop * config.eye_distance]) - 0.5
    filled = []
    for dataset, face in zip(datasets, faces, strict=True):
        if face.nose is None and face.transform is not None:
            known = aligned_noses.get(dataset) or everywhere
            aligned = np.mean(known, axis=0) if known else canonical
            face = replace(face, nose=to_source(face.transform, aligned), nose_source="mean")
        filled.append(face)
    return filled


def _record(sample_id: str, face: Face) -> dict[str, Any]:
    eyes = [*face.landmarks.eyes.left, *face.landmarks.eyes.right] if face.landmarks is not None else [np.nan] * 4
    nose = face.nose if face.nose is not None else (np.nan, np.nan)
    return {
        "sample_id": sample_id, "status": face.status, "reason": face.reason, "detector": face.detector,
        "landmarker": face.landmarker, "box": list(face.box) if face.box is not None else None,
        "landmarks": [float(v) for v in (*eyes, *nose)], "nose_source": face.nose_source,
        "reference_frame": face.reference_frame, "score": face.score,
        "transform": [float(v) for v in face.transform.ravel()] if face.transform is not None else None,
    }  # fmt: skip


def _log_summary(table: pd.DataFrame) -> None:
    keys = table["status"] + ", detector " + table["detector"] + ", landmarks " + table["landmarker"]
    for key, count in keys.value_counts().sort_index().items():
        logger.info("%d faces: %s", count, key)
