"""Coding tables (xlsx, csv, tsv): the header row is searched for; cells are stripped text with row numbers."""

import contextlib
import csv
import functools
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from fernas.core.errors import DataError, did_you_mean
from fernas.datasets._tree import read_text

# CASME II writes "/" for an apex that was not coded
MISSING = {"", "/", "-", "nan", "none", "null", "n/a", "na", "?"}
# SAMM has 13 lines of text above its header in one release and none in another
SEARCH_ROWS = 60
MAX_UNPACKED = 64 << 20  # bytes of all members of a workbook; coding tables have a few hundred kilobytes
# Elements of xml in a workbook, two or three per cell. openpyxl makes objects of all of them before it can be asked.
MAX_ELEMENTS = 400_000
MAX_SPANNED = 100_000  # cells of all merges and links, which openpyxl makes too: one merge may span 17 billion
MAX_CELLS = 2_000_000  # of the sheet as a rectangle: one cell in the last corner makes it 17 billion
SPANS = ("mergeCell", "hyperlink")


@dataclass(frozen=True)
class Row:
    """One row of a table: its number in the file (from 1) and its cells by wanted name; absent cells are empty text."""

    number: int
    cells: Mapping[str, str]
    where: str

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")

    def integer(self, name: str) -> int | None:
        """The cell as a whole number; None for a missing value (`/`, blank)."""
        return integer(self[name], f"{self.where}, column {name}")


def integer(text: str, where: str) -> int | None:
    """`46`, `46.0`, ` 46 ` -> 46; `/` and blank -> None; anything else is a DataError that names `where`."""
    word = text.strip()
    if word.lower() in MISSING:
        return None
    if re.fullmatch(r"[+-]?\d{1,12}(?:\.0*)?", word):
        return int(word.split(".")[0])
    raise DataError(f"{where}: got {text!r}, expected a whole number")


def plain(name: object) -> str:
    """A header reduced to its letters and digits in lower case: `Onset Frame ` -> `onsetframe`."""
    return re.sub(r"[^0-9a-z]+", "", str(name).lower()) if name is not None else ""


def read_grid(path: Path, sheet: int = 0) -> list[list[str]]:
    """All cells of one sheet as stripped text; vertically merged cells are repeated in their rows.

    Raises:
        DataError: absent, or not readable as xlsx or csv, or no such sheet.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if suffix == ".xls":
        raise DataError(f"{path}: the old .xls format; save it as .xlsx (or .csv) beside it")
    if suffix in {".xlsx", ".xlsm"}:
        _refuse_bomb(path)
    return _read_xlsx(path, sheet) if suffix in {".xlsx", ".xlsm"} else _read_csv(path)


def _refuse_bomb(path: Path) -> None:
    """Refuse a workbook that is small on the disk and large in memory, before openpyxl makes objects of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_UNPACKED:
                raise DataError(f"{path}: unpacks to {size >> 20} MiB, expected at most {MAX_UNPACKED >> 20}")
            counted = _Counted(path)
            for name in archive.namelist():
                with archive.open(name) as member:
                    counted.add(member)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, RuntimeError, zlib.error):
        return  # the reader reports what is wrong with it


class _Counted:
    """Elements and spanned cells of the parts of a workbook, read as a stream; a DataError when there are too many."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.elements = 0
        self.spanned = 0

    def add(self, member: IO[bytes]) -> None:
        """Count those of one part; what is no xml counts up to where it breaks."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        with contextlib.suppress(expat.ExpatError):
            parser.ParseFile(member)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            limit = f"more than {MAX_ELEMENTS} elements of xml"
            raise DataError(f"{self.path}: {limit}, expected a table of fewer cells; save a large one as csv")
        if name.rpartition(":")[2] in SPANS:
            self.spanned += _cells_of(attributes.get("ref", ""))
            if self.spanned > MAX_SPANNED:
                raise DataError(f"{self.path}: its merged cells or links span more than {MAX_SPANNED} cells")


def _cells_of(reference: str) -> int:
    """Number of cells of a reference such as `A1:C9`; 1 for what is none, which the reader reports."""
    match = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?(\d{1,7}):\$?([A-Za-z]{1,3})\$?(\d{1,7})", reference)
    if match is None:
        return 1
    left, right = (functools.reduce(lambda n, c: 26 * n + ord(c) - 64, match[k].upper(), 0) for k in (1, 3))
    return (abs(right - left) + 1) * (abs(int(match[4]) - int(match[2])) + 1)


def _read_xlsx(path: Path, sheet: int) -> list[list[str]]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    broken = (zipfile.BadZipFile, InvalidFileException, OSError, KeyError, ValueError, TypeError, IndexError,
              AttributeError, EOFError, NotImplementedError, ParseError, zlib.error)  # fmt: skip
    try:
        with warnings.catch_warnings():
            # openpyxl warns about styles and extensions that it drops, which no adapter reads
            warnings.simplefilter("ignore")
            # data_only: the cached value of a formula cell, not its text
            book = openpyxl.load_workbook(path, data_only=True)
        sheets = book.worksheets
        if sheet >= len(sheets):
            raise DataError(f"{path}: has {len(sheets)} sheets, expected at least {sheet + 1}")
        # by position: CAS(ME)^2 circulates with two names for its first sheet
        page = sheets[sheet]
        if page.max_row * page.max_column > MAX_CELLS:
            size = f"{page.max_row} rows x {page.max_column} columns"
            raise DataError(f"{path}: {size}, expected at most {MAX_CELLS} cells")
        grid = [
            [text_of(value).replace("\xa0", " ").strip() for value in row] for row in page.iter_rows(values_only=True)
        ]
        # openpyxl gives the value of a merged cell in its first row only
        for merged in page.merged_cells.ranges:
            value = grid[merged.min_row - 1][merged.min_col - 1]
            for row in range(merged.min_row, min(merged.max_row, len(grid))):
                grid[row][merged.min_col - 1] = value
        return grid
    except broken as error:
        raise DataError(f"{path}: not a readable xlsx file ({type(error).__name__}: {error})") from error


def text_of(value: Any) -> str:
    """A cell as text; nothing and not a number are empty."""
    if value is None or value != value:
        return ""
    # Excel stores whole numbers as doubles: 46.0 is 46
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _read_csv(path: Path) -> list[list[str]]:
    text = read_text(path)
    head = text[:4096]
    # Excel writes csv with semicolons where the comma is the decimal sign
    delimiter = max((",", ";", "\t"), key=head.count)
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise DataError(f"{path}: not a readable table ({error})") from error


def read_table(
    path: Path, wanted: Mapping[str, Iterable[str]], required: Iterable[str], sheet: int = 0
) -> tuple[list[Row], dict[str, str]]:
    """Rows below the header row, by wanted name; and the header's spelling per wanted name.

    Args:
        path: xlsx or csv.
        wanted: name -> the spellings that circulate, compared by letters and digits only.
        required: names without which a row is not the header.
        sheet: number of the sheet, from 0.

    Raises:
        DataError: no row holds the required headers; names the missing one and what was there instead.
    """
    grid = read_grid(path, sheet)
    needed = list(required)
    spellings = {name: {plain(s) for s in (name, *texts)} for name, texts in wanted.items()}
    best: dict[str, int] = {}
    for at, cells in enumerate(grid[:SEARCH_ROWS]):
        heads = [plain(cell) for cell in cells]
        columns = {
            n: next(i for i, h in enumerate(heads) if h in s)
            for n, s in spellings.items()
            if any(h in s for h in heads)
        }
        if all(name in columns for name in needed):
            return _rows(path, grid, at, columns, spellings), {name: cells[i] for name, i in columns.items()}
        # the row with most known headers is the likely header, for the message
        if len(columns) > len(best):
            best = columns
    missing = [name for name in needed if name not in best]
    closest = next(
        (cells for cells in grid[:SEARCH_ROWS] if any(plain(c) in s for c in cells for s in spellings.values())), []
    )
    texts = [cell for cell in (closest or next(iter(grid), [])) if cell]
    asked = "; ".join(f"{name} ({' / '.join(wanted[name])})" for name in missing)
    hint = did_you_mean(missing[0], texts) if missing else ""
    raise DataError(f"{path}: no header row with the column {asked}{hint}; found: {', '.join(texts[:14]) or 'nothing'}")


def describe_table(name: str, headers: Mapping[str, str]) -> str:
    """Which table was read and how its headers are spelt there: `x.xlsx (columns 'Subject', 'OnsetF', ...)`."""
    return f"{name} (columns {', '.join(repr(text) for text in headers.values())})"


def _rows(
    path: Path, grid: list[list[str]], header: int, columns: dict[str, int], spellings: Mapping[str, set[str]]
) -> list[Row]:
    rows = []
    for at in range(header + 1, len(grid)):
        cells = {name: grid[at][i] if i < len(grid[at]) else "" for name, i in columns.items()}
        # a header that is repeated further down is no row of data
        if not any(cells.values()) or all(plain(text) in spellings[name] for name, text in cells.items()):
            continue
        rows.append(Row(at + 1, cells, f"{path}: row {at + 1}"))
    return rows
