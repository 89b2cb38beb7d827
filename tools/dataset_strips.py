"""A strip of frames per dataset, to look at: python tools/dataset_strips.py results/rendered OUT_FOLDER [ALL.jpg].

A strip shows one sample per class: of stills the image, of sequences and clips onset and apex side by side.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from fernas.core.images import resize, write_image
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest

HEIGHT, WIDTH, GAP = 96, 1160, 3


def tile(image: np.ndarray) -> np.ndarray:
    """The image at the strip's height."""
    height, width = image.shape[:2]
    return resize(image, HEIGHT, max(1, round(width * HEIGHT / height)))


def write_label(image: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Small letters on an image."""
    cv2.putText(image, text, (x + 2, y), cv2.FONT_HERSHEY_PLAIN, 0.8, colour, 1, cv2.LINE_AA)


def strip(name: str, root: Path) -> np.ndarray:
    """One dataset: its name, then frames until the width is full."""
    table = build_manifest(name, root)
    table = table[table["excluded"].isna()]
    reader = FrameReader({name: root})
    rows = [rows.iloc[n % len(rows)] for n, (_, rows) in enumerate(table.groupby("label", sort=False))]
    rows += [table.iloc[(7 * n) % len(table)] for n in range(20)]
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    left = 0
    for row in rows:
        positions = [0] if row["kind"] == "still" else [int(row["onset"]), int(row["apex"])]
        tiles = [tile(reader.read(name, row["frames"][position])) for position in positions]
        width = sum(t.shape[1] for t in tiles)
        if left + width > WIDTH:
            break
        image[:, left : left + width] = np.concatenate(tiles, axis=1)
        write_label(image, str(row["label"]), left, 10, (255, 40, 40))
        left += width + GAP
    head = np.full((16, WIDTH, 3), 255, np.uint8)
    text = f"{name}: {len(table)} samples, {table['subject'].nunique()} subjects (rendered)"
    write_label(head, text, 0, 12, (0, 0, 0))
    return np.concatenate([head, image])


def main(rendered: str, out: str, together: str | None = None) -> None:
    """Write one strip per rendered dataset, and all of them below each other."""
    strips = []
    for folder in sorted(p for p in Path(rendered).iterdir() if (p / "dataset").is_dir()):
        strips.append(strip(folder.name, folder / "dataset"))
        write_image(Path(out) / f"{folder.name}.png", strips[-1])
    if together:
        write_image(together, np.concatenate(strips), quality=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
