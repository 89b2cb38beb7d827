"""Tables: what a column and a table are. Only this module knows csv, markdown, LaTeX and the cells of HTML.

A table is declared once, as columns over a frame, and written in every form from that declaration:

- csv holds the frame, unrounded, for programs;
- markdown, LaTeX and the HTML report hold short texts, in the order of the columns.

A column that belongs to some forms only names them in `forms`. The first column that a form shows names the row.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.io import atomic_path, is_number, write_text
from fernas.reporting.formats import missing, plain, records_of

Row = Mapping[str, Any]
FILES = "md tex"
MARKS = {"best": "*", "worse": " (worse)"}  # what a file appends where HTML uses a colour
SPOKEN = {"best": "best", "worse": "significantly worse"}  # what a screen reader hears instead of the colour


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: the column of the frame; its value sorts the rows of the report.
        heading: the title; the key without one.
        text: the value, followed by those of `more`, as a short text.
        more: further columns of the frame that the text needs.
        about: the explanation, shown at the heading and in the report's legend.
        forms: where it is shown: `md`, `tex`, `html`.
        style: CSS class of the cell, or a function of the row; numbers (`num`) are right-aligned.
        below: columns of the frame whose texts stand in small print below the text (HTML).
        flag: like `below`, in the colour of a warning.
        bar: columns of the value, its lower and upper bound and the chance level, all in 0..1, drawn as a bar (HTML).
    """

    key: str
    heading: str = ""
    text: Callable[..., str] = plain
    more: tuple[str, ...] = ()
    about: str = ""
    forms: str = "md tex html"
    style: str | Callable[[Row], str] = "num"
    below: str = ""
    flag: str = ""
    bar: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What stands above the column."""
        return self.heading or self.key

    @property
    def is_number(self) -> bool:
        """Whether the heading stands over right-aligned cells."""
        return callable(self.style) or self.style == "num"

    def show(self, row: Row) -> str:
        """The cell as text."""
        return self.text(*(row[key] for key in (self.key, *self.more)))

    def style_of(self, row: Row) -> str:
        """The CSS class of the cell."""
        return self.style(row) if callable(self.style) else self.style


@dataclass(frozen=True)
class Cell:
    """One cell of an HTML table; `sort` is the value that sorts it, None where its text does."""

    text: str
    sort: float | str | None = None
    style: str = "num"
    below: str = ""
    flag: str = ""
    bar: Mapping[str, float] | None = None

    @property
    def spoken(self) -> str:
        """What the colour of the cell says."""
        return SPOKEN.get(self.style, "")


@dataclass(frozen=True)
class HtmlRow:
    """One row of an HTML table: its cells, or after the first one a status and a reason instead of the others."""

    cells: tuple[Cell, ...]
    style: str = ""
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """A table: a declaration over a frame.

    Attributes:
        name: file name without suffix.
        caption: what it shows.
        columns: what people read.
        frame: one row per row, in the order that is shown.
        data: columns of the csv; all of the frame's where it is empty.
        is_short: whether LaTeX and HTML show a row; all without it.
        is_first: whether a row is emphasised in HTML.
        status: column of the frame that is `ok` where a row has scores; other rows show it and `reason` (HTML).
        sorted_by: key of the column by which the rows are sorted, in descending order.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    data: tuple[str, ...] = ()
    is_short: Callable[[Row], bool] | None = None
    is_first: Callable[[Row], bool] | None = None
    status: str = ""
    reason: str = ""
    sorted_by: str = ""

    def __len__(self) -> int:
        return len(self.frame)

    def columns_of(self, form: str) -> list[Column]:
        """The columns that a form shows."""
        return [column for column in self.columns if form in column.forms.split()]

    def rows_of(self, form: str) -> Iterator[Row]:
        """The rows that a form shows."""
        for row in records_of(self.frame):
            if form == "md" or self.is_short is None or self.is_short(row):
                yield row

    def texts(self, form: str) -> list[list[str]]:
        """The cells of a file as short texts."""
        columns = self.columns_of(form)
        return [[c.show(row) + MARKS.get(c.style_of(row), "") for c in columns] for row in self.rows_of(form)]

    def markdown(self) -> str:
        """The table as markdown, without its caption."""
        headings = [column.title for column in self.columns_of("md")]
        lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
        lines += ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in self.texts("md")]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """The table for LaTeX, see `latex_table`."""
        headings = [column.title for column in self.columns_of("tex")]
        return latex_table(headings, self.texts("tex"), self.caption, f"tab:{self.name}")

    def html(self) -> list[HtmlRow]:
        """The rows of the report."""
        return [self._html_row(row) for row in self.rows_of("html")]

    def _html_row(self, row: Row) -> HtmlRow:
        first, *others = self.columns_of("html")
        if self.status and row[self.status] != "ok":
            name = _cell(first, {**row, first.flag: ""})
            return HtmlRow((name,), status=str(row[self.status]), reason=str(row[self.reason]))
        style = "first" if self.is_first is not None and self.is_first(row) else ""
        return HtmlRow(tuple(_cell(column, row) for column in (first, *others)), style)

    def write(self, folder: Path) -> list[Path]:
        """Write the table as csv, markdown and LaTeX into a folder; the paths written."""
        paths = [folder / f"{self.name}.{suffix}" for suffix in ("csv", "md", "tex")]
        write_csv(paths[0], self.frame[list(self.data)] if self.data else self.frame)
        write_text(paths[1], f"{escape_markdown(self.caption)}\n\n{self.markdown()}")
        write_text(paths[2], self.latex())
        return paths


def _cell(column: Column, row: Row) -> Cell:
    value = row[column.key]
    sort = "" if missing(value) else None if not is_number(value) else float(value)
    return Cell(
        column.show(row),
        sort,
        column.style_of(row),
        plain(row[column.below]) if column.below else "",
        plain(row[column.flag], "") if column.flag else "",
        _bar(column.bar, row) if column.bar else None,
    )


def _bar(keys: Sequence[str], row: Row) -> dict[str, float] | None:
    """Positions in percent of a score, its interval and the chance level; None without a score."""
    value, low, high, chance = (row[key] for key in keys)
    if missing(value):
        return None
    low, high = (100 * float(value if missing(bound) else bound) for bound in (low, high))
    return {"value": 100 * float(value), "low": low, "width": max(0.0, high - low), "chance": 100 * float(chance)}


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame with six significant digits."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def escape_markdown(text: object) -> str:
    """A text that cannot break a markdown table or become a tag."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


LONG = 40  # a longer table may break over pages
WRAP_AFTER = 30  # letters of a cell from which on its column wraps
WRAPPED, WIDEST = 0.55, 0.25  # shares of the line: of all columns that wrap together, of the widest
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}",
}  # fmt: skip


def escape_latex(text: object) -> str:
    """A text with LaTeX's special characters escaped."""
    return "".join(LATEX_SPECIAL.get(character, character) for character in str(text)).replace("\n", " ")


def _latex_cell(text: object) -> str:
    """A cell; a sign before a number is a minus or a plus, not a hyphen."""
    return re.sub(r"(?<![\w.])([-+])(?=\d)", r"$\1$", escape_latex(text))


def latex_table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> str:
    r"""A booktabs table; needs `\usepackage{booktabs,longtable,array,graphicx}`.

    Numbers are right-aligned, columns of long texts wrap, a table wider than the text is scaled to it, and one of more
    than `LONG` rows may break over pages.
    """
    places = _alignments([[str(row[i]) for row in rows] for i in range(len(columns))])
    head = " & ".join(escape_latex(column) for column in columns) + r" \\"
    body = [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in rows]
    name = "".join(c if c.isalnum() or c in ":-" else "-" for c in label)
    titles = rf"\caption{{{escape_latex(caption)}}}\label{{{name}}}"
    inside = [r"\toprule", head, r"\midrule"]
    if len(rows) > LONG:
        lines = [
            r"\begingroup\scriptsize\setlength{\tabcolsep}{3pt}\setlength{\LTcapwidth}{\linewidth}",
            rf"\begin{{longtable}}{{{places}}}",
            titles + r" \\",
            *inside,
            r"\endhead",
            *body,
            r"\bottomrule",
            r"\end{longtable}",
            r"\endgroup",
        ]
    else:
        lines = [
            r"\begin{table}[t]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            titles,
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{places}}}",
            *inside,
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    return "\n".join([*lines, ""])


def _alignments(columns: Sequence[Sequence[str]]) -> str:
    """The column types of LaTeX: wrapped for long texts, right where all cells begin as numbers do, else left."""
    kinds = []
    for cells in columns:
        filled = [cell for cell in cells if cell not in ("", "-")]
        number = bool(filled) and all(re.match(r"[-+]?\d", cell) for cell in filled)
        kinds.append("p" if max(map(len, cells), default=0) > WRAP_AFTER else "r" if number else "l")
    # The width of a wrapped column grows with the square root of its longest text: lines and width grow alike.
    roots = [max(map(len, cells)) ** 0.5 if kind == "p" else 0.0 for cells, kind in zip(columns, kinds, strict=True)]
    shares = [min(WIDEST, WRAPPED * root / max(1.0, sum(roots))) for root in roots]
    return "".join(
        rf">{{\raggedright\arraybackslash}}p{{{share:.3f}\linewidth}}" if kind == "p" else kind
        for kind, share in zip(kinds, shares, strict=True)
    )
