"""Speed and memory of dynamic images: decoding alone against the finished dynamic image of a micro clip.

`dynamic_image_micro`: 150 frames of 280 x 340 pixels as JPEG files. The other side decodes them with OpenCV on one
thread and drops them; ours reads the same files with the same decoder, sums, warps and stretches, on two threads.
Printed beside it: the peak memory for 10 and for 150 frames.
"""

import tempfile
import tracemalloc
from pathlib import Path

import cv2
import numpy as np

from benchmarks._common import run_pair
from fernas.core.images import read_image, write_image
from fernas.faces.geometry import square_transform
from fernas.faces.warp import warp_face
from fernas.views.pool import pool_frames, to_image
from fernas.views.weights import bilen

FRAMES, HEIGHT, WIDTH, SIZE = 150, 340, 280, 112


def write_clip(folder: Path, frames: int) -> list[Path]:
    """A textured image that drifts, with sensor noise: about the bytes per pixel of a face on a plain background."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT + 8, WIDTH + 8, 3)).astype(np.float32), (0, 0), 3)
    wide = (wide - wide.min()) / (wide.max() - wide.min()) * 255
    paths = []
    for number in range(frames):
        left = 8 * number / frames
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, 0.0]])
        frame = cv2.warpAffine(wide, shift, (WIDTH, HEIGHT)) + rng.normal(0, 2, (HEIGHT, WIDTH, 1))
        path = folder / f"img{number}.jpg"
        write_image(path, np.clip(frame, 0, 255).astype(np.uint8))
        paths.append(path)
    return paths


def ours(paths: list[Path]) -> np.ndarray:
    """The aligned dynamic image of the clip, uint8 (SIZE, SIZE, 3)."""
    raw = pool_frames(lambda position: read_image(paths[position]), bilen(len(paths)), threads=2)
    return to_image(warp_face(raw, square_transform((0, 0, WIDTH, HEIGHT)), SIZE))


def decode_only(paths: list[Path]) -> None:
    """Every frame decoded and dropped."""
    for path in paths:
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)


def peak_bytes(paths: list[Path]) -> int:
    """Peak of the memory that numpy and Python hold while the dynamic image is made."""
    tracemalloc.start()
    try:
        ours(paths)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Time both sides and look at the memory."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        paths = write_clip(Path(name), FRAMES)
        ours(paths)
        run_pair("dynamic_image_micro", lambda: ours(paths), lambda: decode_only(paths), rounds=9, threads=2)
        short, long = peak_bytes(paths[:10]), peak_bytes(paths)
        print(f"dynamic image, peak memory: 10 frames {short / 2**20:.1f} MiB, {FRAMES} frames {long / 2**20:.1f} MiB")
    cv2.setNumThreads(before)


if __name__ == "__main__":
    main()
