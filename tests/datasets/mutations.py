"""What happens to copies of datasets: each mutation changes a tree in place and says what it did."""

import os
import random
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import ParseError

import numpy as np
import openpyxl
from PIL import Image

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tiff"}
TABLES = {".csv", ".txt"}

Mutation = Callable[[Path, random.Random], str]


def _files(root: Path, suffixes: set[str]) -> list[Path]:
    files = (p for p in root.rglob("*") if p.is_file() and not p.is_symlink() and not p.name.startswith("."))
    return sorted(p for p in files if p.suffix.lower() in suffixes)


def _pick(root: Path, rng: random.Random, suffixes: set[str]) -> Path | None:
    found = _files(root, suffixes)
    return rng.choice(found) if found else None


def empty_file(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES | TABLES | {".xlsx", ".avi", ".h5", ".mat"})
    if path:
        path.write_bytes(b"")
    return f"emptied {path}"


def cut_file(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES | TABLES | {".xlsx", ".avi", ".h5", ".mat"})
    if path:
        data = path.read_bytes()
        path.write_bytes(data[: rng.randrange(len(data) + 1)])
    return f"cut {path}"


def flip_bytes(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES | TABLES | {".xlsx", ".avi", ".h5", ".mat"})
    if path and path.stat().st_size:
        data = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data))
    return f"flipped bytes of {path}"


def lose_image(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES | {".avi"})
    if path:
        path.unlink()
    return f"lost {path}"


def lose_table(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, TABLES | {".xlsx", ".mat", ".h5"})
    if path:
        path.unlink()
    return f"lost {path}"


def lose_folder(root: Path, rng: random.Random) -> str:
    folders = sorted(p for p in root.rglob("*") if p.is_dir() and not p.is_symlink())
    if folders:
        path = rng.choice(folders)
        shutil.rmtree(path)
        return f"lost folder {path}"
    return "no folder"


def byte_order_mark(root: Path, rng: random.Random) -> str:
    for path in _files(root, TABLES):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return "byte-order marks"


def windows_lines(root: Path, rng: random.Random) -> str:
    for path in _files(root, TABLES):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return "windows line ends"


def file_managers(root: Path, rng: random.Random) -> str:
    for folder in [root, *sorted(p for p in root.rglob("*") if p.is_dir())][:60]:
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.jpg", "Shortcut.lnk"):
            (folder / name).write_bytes(b"\x01\x02")
    return "left-overs of file managers"


def link_loop(root: Path, rng: random.Random) -> str:
    folders = [root, *sorted(p for p in root.rglob("*") if p.is_dir() and not p.is_symlink())]
    for _ in range(3):
        folder = rng.choice(folders)
        link = folder / f"loop{rng.randrange(99)}"
        if not link.exists():
            above = [folder, *(p for p in folder.parents if p == root or root in p.parents)]
            os.symlink(rng.choice(above).resolve(), link)
    return "links in circles"


def nested_left_over(root: Path, rng: random.Random) -> str:
    """A folder that was unpacked twice: `Cropped/` and `Cropped/Cropped/` with the same content."""
    tops = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())
    top = rng.choice(tops) if tops else None
    if top is None or (top / top.name).exists():
        return "nothing to unpack twice"
    shutil.copytree(top, root / "unpacking", symlinks=True)
    (root / "unpacking").rename(top / top.name)
    return f"{top.name} unpacked into itself"


def archive_left_over(root: Path, rng: random.Random) -> str:
    """The archive beside what was unpacked from it, and the second tree that macOS packs: `__MACOSX/.../._name`."""
    files = _files(root, IMAGES | TABLES | {".xlsx"})
    with zipfile.ZipFile(root / f"{root.name}.zip", "w") as archive:
        for path in files[:5]:
            archive.write(path, path.relative_to(root))
    for path in files:
        shadow = root / "__MACOSX" / path.relative_to(root)
        shadow.parent.mkdir(parents=True, exist_ok=True)
        shadow.with_name(f"._{shadow.name}").write_bytes(b"\x00\x05\x16\x07")
        shadow.write_bytes(path.read_bytes()[:9])
    return "an archive and __MACOSX"


def windows_paths(root: Path, rng: random.Random) -> str:
    for path in _files(root, TABLES):
        path.write_bytes(path.read_bytes().replace(b"/", b"\\"))
    return "backslashes in tables"


def copies(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES)
    if path:
        shutil.copy(path, path.with_name(f"{path.stem} (1){path.suffix}"))
        shutil.copy(path, path.with_name(f"{path.stem} - Copy{path.suffix}"))
    return f"copies of {path}"


def other_mode(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES)
    if path:
        try:
            image = Image.open(path).convert("L")
        except (OSError, SyntaxError):
            return f"{path} is broken already"
        suffix = path.suffix.lower()
        if suffix in {".jpg", ".jpeg"}:
            image.convert("CMYK").save(path)
        elif suffix in {".png", ".tiff"}:
            Image.fromarray(np.asarray(image).astype(np.uint16) * 257).save(path)
        else:
            image.convert("1").save(path)
    return f"other pixel format of {path}"


def text_as_image(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES)
    if path:
        path.write_bytes(b"<html>Sign in to download</html>" * 20)
    return f"{path} is a web page"


def folder_named_like_an_image(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, IMAGES)
    if path:
        path.unlink()
        path.mkdir()
    return f"{path} is a folder"


CELLS: list[object] = [None, "", "/", "x", " ", 0, -1, 3.5, 10**9, "sub01", "12", "happiness", "Ärger", "=1+1", True]


def _book(path: Path) -> "openpyxl.Workbook | None":
    try:
        return openpyxl.load_workbook(path)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, EOFError, TypeError, ParseError, zlib.error):
        return None


def sheet_cell(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, {".xlsx"})
    if path is None:
        return "no xlsx"
    book = _book(path)
    if book is None:
        return f"{path} is broken already"
    page = rng.choice(book.worksheets)
    cell = page.cell(rng.randint(1, max(1, page.max_row)), rng.randint(1, max(1, page.max_column)))
    cell.value = rng.choice(CELLS)
    book.save(path)
    return f"{path.name}: {page.title} {cell.coordinate} = {cell.value!r}"


def sheet_column(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, {".xlsx"})
    if path is None:
        return "no xlsx"
    book = _book(path)
    if book is None:
        return f"{path} is broken already"
    page = rng.choice(book.worksheets)
    column = rng.randint(1, max(1, page.max_column))
    page.delete_cols(column)
    book.save(path)
    return f"{path.name}: {page.title} column {column} deleted"


def sheet_rows_swapped(root: Path, rng: random.Random) -> str:
    """Two cells of one column change places: a swapped subject, label or frame."""
    path = _pick(root, rng, {".xlsx"})
    if path is None:
        return "no xlsx"
    book = _book(path)
    if book is None:
        return f"{path} is broken already"
    page = book.worksheets[0]
    column = rng.randint(1, max(1, page.max_column))
    a, b = (page.cell(rng.randint(1, max(1, page.max_row)), column) for _ in range(2))
    a.value, b.value = b.value, a.value
    book.save(path)
    return f"{path.name}: {a.coordinate} and {b.coordinate} swapped"


def text_cell(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, TABLES)
    if path is None:
        return "no table"
    lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    at = rng.randrange(len(lines))
    separator = "," if "," in lines[at] else " "
    cells = lines[at].split(separator)
    cells[rng.randrange(len(cells))] = str(rng.choice(CELLS))
    lines[at] = separator.join(cells)
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"{path.name}: line {at + 1} = {lines[at][:60]!r}"


def lose_line(root: Path, rng: random.Random) -> str:
    path = _pick(root, rng, TABLES)
    if path is None:
        return "no table"
    lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    gone = lines.pop(rng.randrange(len(lines)))
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"{path.name}: lost the line {gone[:60]!r}"


HARMLESS: list[Mutation] = [
    byte_order_mark,
    windows_lines,
    file_managers,
    link_loop,
    nested_left_over,
    archive_left_over,
    windows_paths,
    copies,
    other_mode,
]
HARMFUL: list[Mutation] = [
    empty_file, cut_file, flip_bytes, lose_image, lose_table, lose_folder, text_as_image,
    folder_named_like_an_image, sheet_cell, sheet_column, sheet_rows_swapped, text_cell, lose_line,
]  # fmt: skip
