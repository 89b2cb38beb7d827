"""A cheap check of image files: most are judged by their first and last bytes, doubtful ones are decoded."""

import os
import struct
from pathlib import Path

from fernas.core.errors import DataError
from fernas.core.images import EXTENSIONS, read_image

# some writers append data after the end marker of a JPEG, so more than its last two bytes are searched
TAIL = 4096


def why_broken(path: Path) -> str | None:
    """Why a file cannot be used (absent, empty, cut), or None; only doubtful images are decoded."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return "an empty file"
            if path.suffix.lower() not in EXTENSIONS:
                return None
            head = file.read(32)
            file.seek(max(0, size - TAIL))
            tail = file.read(TAIL)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    # decoding every frame would take far longer; a file that was cut lacks the last bytes of its format
    if _looks_whole(head, tail, size):
        return None
    try:
        read_image(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _looks_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether the end that belongs to the format's beginning is there; False where that cannot be told."""
    if head[:2] == b"\xff\xd8":
        return b"\xff\xd9" in tail
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" in tail[-64:]
    if head[:2] == b"BM" and len(head) >= 26:
        stated: int = struct.unpack("<I", head[2:6])[0]  # a BMP states its own length
        return stated == size
    return False
