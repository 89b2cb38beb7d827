"""One dynamic image of a folder of frames, for the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fernas.core.errors import ConfigError, DataError, unknown
from fernas.core.images import list_images, read_image, resize, write_image
from fernas.core.io import write_npy
from fernas.views.pool import pool_frames, to_image
from fernas.views.weights import KINDS, exact, fixed_weights

IMAGES = {".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg"}
EXACT_MAX_PX = 96  # largest height or width of the frames that the weights of exact rank pooling are found on
THREADS = 2


def dynamic_image_from_folder(frames_dir: Path | str, method: str, out: Path | str) -> int:
    """Write the dynamic image of all images of a folder, in natural order of their names; return their number.

    Args:
        frames_dir: folder of at least two images of one size; nothing is detected or aligned.
        method: bilen, learnet or exact.
        out: an image (the min-max of the sum), or .npy (the raw sum, float32 (H, W, 3)).

    Raises:
        ConfigError: unknown method or suffix.
        DataError: no such folder, fewer than two images, one that cannot be read or has another size.
    """
    target = Path(out)
    if method not in KINDS:
        raise unknown("method of a dynamic image", method, KINDS)
    if target.suffix.lower() not in IMAGES | {".npy"}:
        raise ConfigError(f"{target}: expected an image ({', '.join(sorted(IMAGES))}) or .npy")
    paths = list_images(frames_dir)
    if len(paths) < 2:
        raise DataError(f"{frames_dir}: {len(paths)} images, a dynamic image needs at least 2")
    shape = read_image(paths[0]).shape

    def read(position: int) -> np.ndarray:
        frame = read_image(paths[position])
        if frame.shape != shape:
            raise DataError(
                f"{paths[position]}: {frame.shape[1]}x{frame.shape[0]} px, but {paths[0].name} is {shape[1]}x{shape[0]}"
            )
        return frame

    weights = _exact(read, len(paths)) if method == "exact" else fixed_weights(method, len(paths))
    raw = pool_frames(read, weights, threads=THREADS)
    if target.suffix.lower() == ".npy":
        write_npy(target, raw)
    else:
        write_image(target, to_image(raw))
    return len(paths)


def _exact(read: Callable[[int], np.ndarray], length: int) -> np.ndarray:
    def small(position: int) -> np.ndarray:
        frame = read(position)
        scale = min(1.0, EXACT_MAX_PX / max(frame.shape[:2]))
        # exact weights need all frames in memory at once, so small ones
        return resize(frame, max(1, round(frame.shape[0] * scale)), max(1, round(frame.shape[1] * scale)))

    return exact(np.stack([small(position) for position in range(length)]))
