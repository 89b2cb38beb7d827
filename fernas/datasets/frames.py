"""Reading frames of any configured dataset by its references."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.errors import ContractError
from fernas.datasets.adapters import adapter_of
from fernas.datasets.containers import base_folder, file_of

if TYPE_CHECKING:
    import numpy as np


class FrameReader:
    """Reads frames by (dataset, reference); each dataset's adapter knows how.

    Args:
        roots: dataset -> its root folder.
        adapters: dataset -> the adapter that reads it, where the two names differ.
    """

    def __init__(self, roots: Mapping[str, Path], adapters: Mapping[str, str] | None = None) -> None:
        self.roots = {name: Path(root) for name, root in roots.items()}
        self.adapters = {name: adapter_of(name, adapters) for name in roots}

    def _adapter(self, dataset: str) -> Any:
        if dataset not in self.adapters:
            raise ContractError(f"frames of {dataset!r}: no root is known; roots: {sorted(self.roots)}")
        return self.adapters[dataset]

    def read(self, dataset: str, ref: str) -> "np.ndarray":
        """One frame as uint8 RGB (H, W, 3)."""
        return self._adapter(dataset).read_frame(self.roots[dataset], ref)

    def bytes_of(self, dataset: str, ref: str) -> int | None:
        """The size of an image file; None for a row of a table or a frame of a video."""
        path = base_folder(self.roots[dataset]) / ref
        return path.stat().st_size if file_of(ref) == ref else None

    def own_landmarks(self, row: Any) -> "np.ndarray | None":
        """The dataset's own landmarks of a manifest row's reference frame, (3, 2) px (eyes, nose tip), or None."""
        return self._adapter(row["dataset"]).own_landmarks(self.roots[row["dataset"]], row)

    def ships_crops(self, dataset: str) -> bool:
        """Whether the dataset ships aligned crops, which skip detection."""
        return bool(self._adapter(dataset).spec.ships_crops)
