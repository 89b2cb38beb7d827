"""The README's image of rendered faces, made from a finished demo: python tools/images.py results."""

import sys
from pathlib import Path

import numpy as np

from fernas.core.images import write_image
from fernas.core.io import read_npy, read_parquet

COLUMNS, SCALE, GAP = 12, 2, 8
VIEWS = ("ckplus-7n-rendered/still-rgb48", "megc2019-3-rendered/dyn-bilen-rgb48")


def main(results: str) -> None:
    """One row per class: aligned stills of CK+, then dynamic images of the composite."""
    blocks = []
    for view in VIEWS:
        folder = Path(results) / "tasks" / view
        images, table = read_npy(folder / "inputs.npy"), read_parquet(folder / "inputs.parquet")
        for label in sorted(table["label"].unique()):
            rows = table.index[table["label"] == label]
            chosen = rows[np.linspace(0, len(rows) - 1, COLUMNS).astype(int)]
            large = [np.kron(images[i], np.ones((SCALE, SCALE, 1), np.uint8)) for i in chosen]
            blocks.append(np.concatenate(large, axis=1))
        blocks.append(np.full((GAP, blocks[-1].shape[1], 3), 255, np.uint8))
    write_image("docs/images/faces.jpg", np.concatenate(blocks[:-1]), quality=88)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "results")
