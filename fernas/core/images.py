"""Images: RGB uint8 (H, W, 3) everywhere; OpenCV's BGR stays inside this file."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fernas.core.errors import DataError
from fernas.core.io import atomic_path

if TYPE_CHECKING:
    import numpy as np

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
IGNORED_NAMES = {"thumbs.db", "desktop.ini", ".ds_store"}
MAX_PIXELS = 64_000_000


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key in which img9 stands before img10."""
    parts = re.split(r"(\d+)", name)
    # the text of a number breaks ties between 007 and 7
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part)


def is_image(path: Path) -> bool:
    """Whether the name looks like an image of a dataset (left-overs of file managers are none)."""
    name = path.name.lower()
    return path.suffix.lower() in EXTENSIONS and not name.startswith(".") and name not in IGNORED_NAMES


def list_images(folder: Path | str) -> list[Path]:
    """The images of a folder in natural order."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    return sorted((p for p in root.iterdir() if is_image(p) and p.is_file()), key=lambda p: natural_key(p.name))


def decode_image(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> "np.ndarray":
    """Bytes of an encoded image -> uint8 RGB (H, W, 3); grey is replicated, 16 bit scaled to 8.

    Raises:
        DataError: empty, truncated or undecodable bytes, or more than `max_pixels` pixels.
    """
    import cv2
    import numpy as np

    if not data:
        raise DataError(f"{name}: empty file, expected an image")
    cv2.utils.logging.setLogLevel(0)  # the DataError says what OpenCV would print about a broken image
    _refuse_bomb(data, name, max_pixels)
    if _is_truncated(data):
        raise DataError(f"{name}: truncated image ({len(data)} bytes without an end marker)")
    is_jpeg = data[:2] == b"\xff\xd8"  # always 8 bit: decoded to RGB at once, pixels as stored
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{name}: not a readable image ({error.err})") from error
    if image is None:
        raise DataError(f"{name}: not a readable image ({len(data)} bytes)")
    if is_jpeg:
        return image
    if image.dtype == np.uint16:
        # 65535 = 255 * 257
        image = (image // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise DataError(f"{name}: {image.dtype} pixels, expected 8 or 16 bit")
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _is_truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end marker; decoders fill the rest with grey without a word."""
    if data[:2] == b"\xff\xd8":
        return b"\xff\xd9" not in data[-4096:]
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in data[-64:]
    return False


def _refuse_bomb(data: bytes, name: str, max_pixels: int) -> None:
    """Refuse an image whose header promises more pixels than allowed, before it is decoded."""
    import io

    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit here is ours, with our message
    try:
        with Image.open(io.BytesIO(data)) as header:
            width, height = header.size
    except UnidentifiedImageError as error:  # its own text holds an address in memory
        raise DataError(f"{name}: not a readable image ({len(data)} bytes of no known format)") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{name}: not a readable image ({error})") from error
    if width * height > max_pixels:
        raise DataError(f"{name}: {width}x{height} pixels, expected at most {max_pixels}")


def read_image(path: Path | str, max_pixels: int = MAX_PIXELS) -> "np.ndarray":
    """An image file -> uint8 RGB (H, W, 3); a DataError names what is wrong with the file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return decode_image(data, str(path), max_pixels)


def encode_image(image: "np.ndarray", suffix: str = ".png", quality: int = 95) -> bytes:
    """Encode uint8 RGB (H, W, 3) or grey (H, W) as PNG, JPEG, BMP or TIFF."""
    import cv2

    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix.lower() in {".jpg", ".jpeg"} else []
    done, data = cv2.imencode(suffix, bgr, options)
    if not done:
        raise DataError(f"cannot encode an image of shape {image.shape} as {suffix}")
    return data.tobytes()


def write_image(path: Path | str, image: "np.ndarray", quality: int = 95) -> None:
    """Write uint8 RGB (H, W, 3) or grey (H, W); the suffix chooses the format."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_image(image, Path(path).suffix, quality))


def resize(image: "np.ndarray", height: int, width: int) -> "np.ndarray":
    """Resize (H, W[, C]); by area averaging when it shrinks, linear otherwise."""
    import cv2

    # area averaging does not alias, where linear interpolation would skip pixels
    shrinks = height < image.shape[0] or width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def to_grey(image: "np.ndarray") -> "np.ndarray":
    """uint8 RGB (H, W, 3) -> uint8 (H, W) luma (ITU-R BT.601)."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def warp_affine(image: "np.ndarray", matrix: "np.ndarray", size_px: int, replicate: bool = False) -> "np.ndarray":
    """Warp (H, W[, C]) by a (2, 3) matrix that maps source pixels to target pixels, linear, to (size_px, size_px[, C]).

    Outside the source: zeros, or the border's value with `replicate`.
    """
    import cv2

    border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
    return cv2.warpAffine(image, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=border)
