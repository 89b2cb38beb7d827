"""Files: every write is atomic, every json byte-stable."""

import contextlib
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path in the folder of `path`; replaces `path` on success, is removed on an error.

    The temporary name keeps the suffix, since some writers choose the format by it.
    """
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{str(path)!r}: is a folder, expected the name of a file to write")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{path}: {error.filename} is a file, expected a folder to write into") from error
    # in the folder of the target: a rename is atomic within one file system only
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner may read
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_over(path: Path | str) -> list[Path]:
    """Remove the temporary files and folders that killed writers of `path` left beside it; returns them.

    For the one process that writes `path`: it would take those of another one away from it.
    """
    target = Path(path)
    # eight letters: names of tempfile
    found = sorted(target.parent.glob(f".{glob.escape(target.stem)}-{'[a-z0-9_]' * 8}{glob.escape(target.suffix)}"))
    for left in found:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    return found


def _umask() -> int:
    # the only way to read it is to set it
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with unix line ends."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write bytes."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def to_json(value: Any) -> str:
    """Byte-stable json: sorted keys, two spaces, a newline at the end; NaN is refused."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def canonical_json(value: Any) -> str:
    """The shortest byte-stable json, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"not json: {type(value).__name__}")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as byte-stable json."""
    write_text(path, to_json(value))


def read_json(path: Path | str) -> Any:
    """Read a json file; a broken one is a DataError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid json ({error})") from error


def append_jsonl(path: Path | str, row: dict[str, Any]) -> None:
    """Append one line of json; a line is written by one call, so readers see whole lines or a torn last one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(row, sort_keys=True, ensure_ascii=False, default=_plain) + "\n"
    with open(target, "a", encoding="utf-8", newline="\n") as file:
        file.write(line)


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Read a json-lines file; an absent file is empty, a torn last line (a kill in mid-write) is left out."""
    target = Path(path)
    if not target.exists():
        return []
    rows = []
    lines = target.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{path}: line {number} is not valid json ({error})") from error
    return rows


def write_parquet(path: Path | str, frame: "pd.DataFrame") -> None:
    """Write a data frame as parquet (without its index)."""
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_parquet(path: Path | str) -> "pd.DataFrame":
    """Read a parquet file; a broken or absent one is a DataError that names it."""
    import pandas as pd

    if not Path(path).exists():
        raise DataError(f"{path}: no such file")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error


def write_npy(path: Path | str, array: "np.ndarray") -> None:
    """Write one array as .npy."""
    import numpy as np

    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        # an open file, since np.save appends .npy to a name without it
        np.save(file, array, allow_pickle=False)


def read_npy(path: Path | str, mmap: bool = False) -> "np.ndarray":
    """Read one array; `mmap` maps it read-only instead of loading it."""
    import numpy as np

    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable npy file ({error})") from error


def is_number(value: Any) -> bool:
    """Whether a value of a json document is a finite number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def sha256_file(path: Path | str) -> str:
    """Hex sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
