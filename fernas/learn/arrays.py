"""A part of a task's samples: images in one memory-mapped uint8 array, picked by row."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fernas.core.errors import ContractError, DataError
from fernas.core.io import read_npy, read_parquet

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True)
class ArrayPart:
    """Some samples of a task.

    Attributes:
        source: uint8 (M, H, W, C), the whole array of the view; it may be memory-mapped and is never copied as a whole.
            A view of features has float32 (M, 1, 1, F) instead.
        rows: int64 (N,), which rows of `source` belong to the part.
        labels: int64 (N,), class indices.
        ids: sample ids.
        subjects: subjects, an empty string where none is known.
        noses: float32 (N, 2), nose tip (x, y) in px of the aligned image, NaN where no landmark gives it (the mean
            of the train split then replaces it), or None when the table has none.
    """

    source: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    ids: list[str]
    subjects: list[str]
    noses: np.ndarray | None = None

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray, ids: list[str] | None = None) -> "ArrayPart":
        """A part of all given images, uint8 (N, H, W, C), with labels (N,)."""
        count = len(images)
        names = ids if ids is not None else [f"sample/{i}" for i in range(count)]
        return cls(images, np.arange(count), np.asarray(labels, np.int64), names, [""] * count)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.rows)

    @property
    def images(self) -> np.ndarray:
        """The images as one array, uint8 (N, H, W, C); a copy."""
        return np.asarray(self.source[self.rows])

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, height, width, channels = self.source.shape
        return channels, height, width

    def batch(self, indices: np.ndarray) -> "torch.Tensor":
        """The images at `indices` (positions in the part) as a tensor: uint8 (B, H, W, C)."""
        import torch

        # Indexing reads these rows alone from the memory map, and gives torch memory of its own to write to.
        return torch.from_numpy(np.ascontiguousarray(self.source[self.rows[indices]]))

    def noses_of(self, indices: np.ndarray) -> "torch.Tensor | None":
        """The nose tips at `indices`, float32 (B, 2), or None."""
        import torch

        return None if self.noses is None else torch.from_numpy(self.noses[indices])

    def with_noses(self, mean: np.ndarray) -> "ArrayPart":
        """The part with `mean` (2,) in place of unknown nose tips; a part without noses is returned as it is."""
        if self.noses is None:
            return self
        known = np.isfinite(self.noses).all(1, keepdims=True)
        return replace(self, noses=np.where(known, self.noses, mean).astype(np.float32))

    def join(self, other: "ArrayPart") -> "ArrayPart":
        """Both parts as one; they must share their source array."""
        if self.source is not other.source:
            raise ContractError("two parts can be joined only when they come from the same input array")
        noses = None if self.noses is None or other.noses is None else np.concatenate([self.noses, other.noses])
        return ArrayPart(
            self.source,
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.labels, other.labels]),
            self.ids + other.ids,
            self.subjects + other.subjects,
            noses,
        )


class Inputs:
    """The inputs of a task: `inputs.npy` (memory-mapped) and its table, from which parts are taken by sample id."""

    def __init__(self, images: np.ndarray, table: "pd.DataFrame", classes: list[str], where: str = "inputs") -> None:
        """`table` has one line per row of `images`: row, sample_id, class_index, and optional columns."""
        features = images.ndim == 4 and images.dtype == np.float32 and images.shape[1:3] == (1, 1)
        if not features and (images.ndim != 4 or images.dtype != np.uint8):
            raise DataError(
                f"{where}: expected images uint8 (N, H, W, C) or features float32 (N, 1, 1, F), "
                f"got {images.dtype} {images.shape}"
            )
        self.images, self.classes, self.where = images, classes, where
        self.table = table
        self._line = {str(name): k for k, name in enumerate(table["sample_id"])}
        if len(self._line) != len(table):
            raise ContractError(f"{where}: sample ids are not unique")

    @classmethod
    def read(cls, array: Path | str, table: Path | str, classes: list[str]) -> "Inputs":
        """Open `inputs.npy` without loading it, and read its table."""
        return cls(read_npy(array, mmap=True), read_parquet(table), classes, str(array))

    def part(self, ids: list[str]) -> ArrayPart:
        """The samples with these ids, in this order; a ContractError names an id that the table lacks."""
        missing = [name for name in ids if name not in self._line]
        if missing:
            raise ContractError(
                f"{self.where}: no input for sample {missing[0]!r} ({len(missing)} of {len(ids)} absent)"
            )
        lines = self.table.iloc[[self._line[name] for name in ids]]
        labels = lines["class_index"].to_numpy(np.int64, copy=True)
        if len(labels) and not (0 <= labels.min() and labels.max() < len(self.classes)):
            raise ContractError(f"{self.where}: class_index must be in 0..{len(self.classes) - 1}, got {labels.max()}")
        subjects = lines["subject"].fillna("").astype(str).tolist() if "subject" in lines else [""] * len(ids)
        rows = lines["row"].to_numpy(np.int64, copy=True)
        return ArrayPart(self.images, rows, labels, list(ids), subjects, known_noses(lines))


def known_noses(lines: "pd.DataFrame") -> np.ndarray | None:
    """The nose tips of rows of an inputs table, float32 (N, 2), NaN where no landmark gives them; None without columns.

    A mean over a dataset counts as unknown, because test faces are part of it.
    """
    if not {"nose_x", "nose_y"} <= set(lines.columns):
        return None
    noses = lines[["nose_x", "nose_y"]].to_numpy(np.float32, copy=True)
    if "nose_source" in lines:
        noses[(lines["nose_source"] == "mean").to_numpy()] = np.nan
    return noses
