"""Frames that are no image files: rows of a csv, rows of an HDF5, frames of a video; references `file#row`."""

import csv
import hashlib
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.errors import DataError
from fernas.core.images import MAX_PIXELS, read_image

if TYPE_CHECKING:
    import numpy as np

CONTAINER = re.compile(
    r"(?P<file>.+\.(?P<kind>csv|h5|hdf5|avi|mp4|mov|mkv|wmv|mpg|mpeg))#(?P<row>[^#]+)", re.IGNORECASE
)
VIDEO = ("avi", "mp4", "mov", "mkv", "wmv", "mpg", "mpeg")
PIXEL_ROWS = 1024
MAX_H5_BYTES = 4 << 30  # FER2013 in doubles takes 0.7 GB
MAX_FRAMES = 1_000_000  # of a video: more than an hour at 200 frames per second
FRAME_BYTES = 8  # a repeated frame of an AVI is no more than its chunk's header
# FER2013 parsed takes 83 MB, so a process holds at most two such tables
CACHED_TABLES = 2
_tables: "OrderedDict[tuple[str, int, int, str], Any]" = OrderedDict()
_lock = threading.RLock()
# a decoder has a position, so every thread needs one of its own
_videos = threading.local()


def base_folder(root: Path | str) -> Path:
    """The folder that references are relative to: the root, or its parent when the root is one file."""
    path = Path(root)
    return path.parent if path.is_file() else path


def file_of(ref: str) -> str:
    """The file behind a reference: `fer2013.csv#7` -> `fer2013.csv`."""
    match = CONTAINER.fullmatch(ref)
    return match["file"] if match else ref


def _inside(root: Path | str, ref: str) -> Path:
    """The folder of a reference, which must not lead out of it."""
    if os.path.isabs(ref) or ".." in re.split(r"[/\\]", ref):
        raise DataError(f"{ref}: leads out of the root {root}")
    return base_folder(root)


def read_ref(root: Path | str, ref: str) -> "np.ndarray":
    """One frame by its reference as uint8 RGB (H, W, 3).

    Raises:
        DataError: absent file, row or frame, one that does not decode, or a reference that leads out of the root.
    """
    folder = _inside(root, ref)
    match = CONTAINER.fullmatch(ref)
    if match is None:
        return read_image(folder / ref)
    if match["kind"].lower() in VIDEO:
        path = folder / match["file"]
        return read_video_frame(path, _index(match["row"], path))
    return _rgb(_row_of(folder, match))


def _row_of(folder: Path, match: "re.Match[str]") -> "np.ndarray":
    """The row of a csv or HDF5 as stored, uint8 (S, S) or (H, W, 3)."""
    path, row = folder / match["file"], match["row"]
    if match["kind"].lower() == "csv":
        return _element(pixel_table(path).pixels, row, path)
    name, _, index = row.rpartition("/")
    return _element(h5_pixels(path, name), index, path)


def digest_of(root: Path | str, ref: str) -> str:
    """Hex sha256 of what a reference holds: a file's bytes, a row's pixels, a video's bytes with the frame's number."""
    folder = _inside(root, ref)
    match = CONTAINER.fullmatch(ref)
    if match is None:
        return _file_digest(folder / ref)
    if match["kind"].lower() in VIDEO:
        video = _cached(folder / match["file"], "sha256", _file_digest)
        return hashlib.sha256(f"{video}#{match['row']}".encode()).hexdigest()
    pixels = _row_of(folder, match)
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def _file_digest(path: Path) -> str:
    from fernas.core.io import sha256_file

    try:
        return sha256_file(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _rgb(grey: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.repeat(grey[:, :, None], 3, axis=2) if grey.ndim == 2 else np.ascontiguousarray(grey)


def _index(row: str, path: Path) -> int:
    if not row.isdigit():
        raise DataError(f"{path}#{row}: got row {row!r}, expected a number")
    return int(row)


def _element(pixels: "np.ndarray", row: str, path: Path) -> "np.ndarray":
    index = _index(row, path)
    if index >= len(pixels):
        raise DataError(f"{path}#{row}: the file has {len(pixels)} images, counted from 0")
    return pixels[index]


def _cached(path: Path, what: str, make: Callable[[Path], Any]) -> Any:
    """`make(path)`, cached in this process while the file does not change; large values of a few files only."""
    try:
        state = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    # time and size: a file that was replaced is read again
    key = (str(path), state.st_mtime_ns, state.st_size, what)
    # also held while a table is parsed, so that two threads do not parse it twice
    with _lock:
        if key in _tables:
            _tables.move_to_end(key)
            return _tables[key]
        value = make(path)
        _tables[key] = value
        # digests are short texts and stay; of tables only the last ones do
        while sum(not isinstance(v, str) for v in _tables.values()) > CACHED_TABLES:
            del _tables[next(k for k, v in _tables.items() if not isinstance(v, str))]
        return value


# ---------------------------------------------------------------------------------------------------- csv of pixels


class PixelTable:
    """A csv with one image per row: pixels uint8 (N, S, S), the other columns as text lists, and the header."""

    def __init__(self, pixels: "np.ndarray", columns: dict[str, list[str]], header: list[str]) -> None:
        self.pixels = pixels
        self.columns = columns
        self.header = header


def pixel_table(path: Path) -> PixelTable:
    """Parse a csv with a `pixels` column (blank-separated values 0..255 of a square grey image), once per process.

    Raises:
        DataError: names the row whose number of pixels, value or number of cells is wrong.
    """
    return _cached(path, "pixels", _parse_pixels)


def _parse_pixels(path: Path) -> PixelTable:
    import numpy as np

    rows = _csv_rows(path)
    first = next(rows, (0, []))[1]
    # icml_face_data.csv has blanks before its column names
    header = [cell.strip().strip("\ufeff").lower() for cell in first]
    if "pixels" not in header:
        raise DataError(f"{path}: no column 'pixels' in the header, got: {', '.join(header)[:120] or 'an empty file'}")
    at = header.index("pixels")
    columns: dict[str, list[str]] = {name: [] for i, name in enumerate(header) if i != at}
    parts: list[np.ndarray] = []
    block: list[np.ndarray] = []
    size = 0
    for number, (line, cells) in enumerate(rows, start=1):
        if len(cells) != len(header):
            expected = f"{len(header)} ({', '.join(header)})"
            raise DataError(f"{path}: line {line}: got {len(cells)} cells, expected {expected}")
        for i, name in enumerate(header):
            if i != at:
                columns[name].append(cells[i].strip())
        pixels = _numbers(cells[at], f"{path}: row {number}")
        size = size or _square(len(pixels), f"{path}: row {number}")
        if len(pixels) != size:
            raise DataError(f"{path}: row {number}: got {len(pixels)} pixels, expected {size}")
        block.append(pixels)
        if len(block) == PIXEL_ROWS:
            parts.append(np.stack(block))
            block = []
    if block:
        parts.append(np.stack(block))
    if not parts:
        raise DataError(f"{path}: a header without rows")
    side = round(size**0.5)
    return PixelTable(np.concatenate(parts).reshape(-1, side, side), columns, header)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not blank; files without quotes are split by hand, which is faster."""
    csv.field_size_limit(sys.maxsize)
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            quoted = '"' in file.read(1 << 16)
            file.seek(0)
            reader = csv.reader(file) if quoted else None
            lines = reader if reader is not None else (line.rstrip("\r\n").split(",") for line in file)
            for number, cells in enumerate(lines, start=1):
                if any(cell.strip() for cell in cells):
                    yield reader.line_num if reader is not None else number, cells
    except csv.Error as error:
        raise DataError(f"{path}: not a readable csv ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _square(count: int, where: str) -> int:
    side = round(count**0.5)
    if side * side != count or not 8 <= side <= 1024:
        raise DataError(f"{where}: got {count} pixels, expected a square image (48x48 = 2304)")
    return count


def _numbers(text: str, where: str) -> "np.ndarray":
    """Blank-separated numbers 0..255 -> uint8 (n,)."""
    import numpy as np

    text = text.strip()
    try:
        values = np.fromstring(text, np.int64, sep=" ")
    except ValueError:
        values = np.zeros(0, np.int64)
    # numpy parses fast but stops silently at what is no number: the count of words or the last word shows it
    if len(values) != text.count(" ") + 1 or not text.rpartition(" ")[2].isdigit():
        words = text.split()
        bad = next((word for word in words if not (word.isascii() and word.isdigit())), None)
        if bad is not None:
            raise DataError(f"{where}: got {bad[:20]!r} among the pixels, expected 0..255")
        values = np.array([min(int(word), 1 << 20) for word in words], np.int64)
    if len(values) and (values.min() < 0 or values.max() > 255):
        odd = values[(values < 0) | (values > 255)][0]
        raise DataError(f"{where}: got pixel {odd}, expected 0..255")
    return values.astype(np.uint8)


# ---------------------------------------------------------------------------------------------------- HDF5


def h5_pixels(path: Path, name: str) -> "np.ndarray":
    """An array of images in an HDF5 file as uint8 (N, S, S) or (N, H, W, 3); flat rows of S*S values are reshaped."""
    return _cached(path, f"h5:{name}", lambda file: _images_of(h5_array(file, name), f"{file}: dataset {name!r}"))


def h5_names(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all arrays (HDF5 datasets) of a file."""
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape or ()

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error})") from error
    return shapes


def h5_array(path: Path, name: str) -> "np.ndarray":
    """One array (HDF5 dataset) of a file.

    Raises:
        DataError: absent, stored in another file (a link, external or virtual storage), or more than `MAX_H5_BYTES`.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if name not in file:
                raise DataError(f"{path}: no dataset {name!r}; there: {', '.join(file) or 'nothing'}")
            data = file[name]
            if not isinstance(data, h5py.Dataset):
                raise DataError(f"{path}: {name!r} is a group, expected a dataset")
            # an external link would read a file outside the root
            if data.file.filename != file.filename or data.is_virtual or data.external:
                raise DataError(f"{path}: dataset {name!r} is kept in another file, expected within this one")
            if data.nbytes > MAX_H5_BYTES:
                size = f"unpacks to {data.nbytes} bytes, expected at most {MAX_H5_BYTES}"
                raise DataError(f"{path}: dataset {name!r} of shape {data.shape} {size}")
            return data[()]
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: not a readable HDF5 file ({error})") from error


def _images_of(array: "np.ndarray", where: str) -> "np.ndarray":
    import numpy as np

    values = np.asarray(array)
    # (N, H, W, 1) or (N, 1, H, W): grey with a channel axis
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        side = round(values.shape[1] ** 0.5)
        if side * side != values.shape[1]:
            raise DataError(f"{where}: got shape {values.shape}, expected rows of square images")
        values = values.reshape(len(values), side, side)  # (N, S, S)
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[-1] != 3):
        raise DataError(f"{where}: got shape {values.shape}, expected (N, S, S) or (N, S*S)")
    if values.dtype != np.uint8:
        if not np.issubdtype(values.dtype, np.number) or values.size and (values.min() < 0 or values.max() > 255):
            raise DataError(f"{where}: got {values.dtype} pixels outside 0..255")
        if np.issubdtype(values.dtype, np.floating) and values.size and values.max() <= 1:
            values = np.round(values * 255)
        values = values.astype(np.uint8)
    return values


# ---------------------------------------------------------------------------------------------------- videos


class _Video:
    """A video read forwards; going back opens it again, since seeking is not exact in many codecs.

    Attributes:
        position: number of the frame that is decoded next.
        last: the frame before it, RGB uint8 (H, W, 3).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reader: Any = None
        self.position = 0
        self.last: np.ndarray | None = None

    def read(self, index: int) -> "np.ndarray":
        import cv2

        if self.last is not None and index == self.position - 1:
            return self.last
        if self.reader is None or index < self.position:
            self.close()
            cv2.utils.logging.setLogLevel(0)  # a broken video is reported by the DataError, not by OpenCV's prints
            self.reader = cv2.VideoCapture(str(self.path))
            if not self.reader.isOpened():
                raise DataError(f"{self.path}: not a readable video")
            width, height = (int(self.reader.get(n)) for n in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            if width * height > MAX_PIXELS:
                raise DataError(f"{self.path}: {width}x{height} pixels, expected at most {MAX_PIXELS}")
            self.position = 0
        while self.position < index:
            if not self.reader.grab():
                raise DataError(f"{self.path}#{index}: the video ends after {self.position} frames")
            self.position += 1
        done, image = self.reader.read()
        if not done:
            raise DataError(f"{self.path}#{index}: the video ends after {self.position} frames")
        self.position += 1
        self.last = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return self.last

    def close(self) -> None:
        if self.reader is not None:
            self.reader.release()


def read_video_frame(path: Path, index: int) -> "np.ndarray":
    """Frame `index` (from 0) of a video as uint8 RGB (H, W, 3); reading forwards decodes each frame once per thread."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    video: _Video | None = getattr(_videos, "open", None)
    if video is None or video.path != path:
        if video is not None:
            video.close()
        video = _videos.open = _Video(path)
    return video.read(index)


def video_length(path: Path) -> int:
    """Number of frames of a video from its header, or counted by reading where the header lacks it.

    Raises:
        DataError: not readable, or a header that claims more than `MAX_FRAMES` or than the file can hold.
    """
    import cv2

    cv2.utils.logging.setLogLevel(0)
    reader = cv2.VideoCapture(str(path))
    try:
        if not reader.isOpened():
            raise DataError(f"{path}: not a readable video")
        count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        size = path.stat().st_size
        # a list of two billion references would fill the memory before the first frame is read
        if count > min(MAX_FRAMES, size // FRAME_BYTES):
            raise DataError(
                f"{path}: its header claims {count} frames in {size} bytes, expected at most {MAX_FRAMES} frames of at "
                f"least {FRAME_BYTES} bytes each"
            )
        if count > 0:
            return count
        count = 0
        while count <= MAX_FRAMES and reader.grab():
            count += 1
        return count
    finally:
        reader.release()
