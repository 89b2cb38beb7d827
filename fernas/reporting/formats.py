"""Short texts of tables, and tables as markdown, LaTeX and csv; pure functions of what they are given."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.io import atomic_path, write_text
from fernas.reporting.tree import RENDERED_SUFFIX


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries."""
    return [{str(key): value for key, value in record.items()} for record in frame.to_dict("records")]


def task_groups(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(task, protocol, its rows) in the order of the frame."""
    for (task, protocol), block in frame.groupby(["task", "protocol"], sort=False):  # type: ignore[misc]
        yield str(task), str(protocol), block


def score_text(record: dict[str, Any]) -> str:
    """UAR with its interval in percent, for example `64.1 [55.0, 72.3]`."""
    if missing(record["uar"]):
        return "-"
    if missing(record["uar_low"]):
        return percent(record["uar"])
    return f"{percent(record['uar'])} [{percent(record['uar_low'])}, {percent(record['uar_high'])}]"


def display_dash(value: Any) -> str:
    """A cell as text, a dash for nothing."""
    return "-" if missing(value) else str(value)


def rendered_folder(task: str, rendered: bool) -> str:
    """The folder name of a task under results/tasks and results/runs."""
    return task + (RENDERED_SUFFIX if rendered else "")


def missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return value is None or bool(pd.isna(value))


def percent(value: Any) -> str:
    """A fraction as percent with one decimal, or a dash."""
    return "-" if missing(value) else f"{100 * float(value):.1f}"


def short_count(value: Any) -> str:
    """A large number with three digits and a unit letter: 541k, 3.35M, 1.2G, 4.1T, 6.0P."""
    if missing(value):
        return "-"
    size = float(value)
    for unit in ("", "k", "M", "G", "T", "P"):
        if abs(size) < 999.5 or unit == "P":
            digits = 0 if unit == "" and size == int(size) else max(0, 2 - len(str(int(abs(size)))) + 1)
            return f"{size:.{digits}f}{unit}"
        size /= 1000
    raise AssertionError("unreachable")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table of texts."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(escape_markdown(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def escape_markdown(text: object) -> str:
    """A text that cannot break a markdown table or become a tag."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


LONG, WRAP_AFTER, WRAPPED, WIDEST = 40, 30, 0.55, 0.25  # rows, letters; shares of the line for wrapped columns
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

    Numbers stand right, columns of long texts wrap, a table wider than the text is scaled to it, and one of more than
    `LONG` rows may break over pages.
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
    """How columns stand: wrapped where a text is long, right where all cells begin as numbers do, else left."""
    kinds = []
    for cells in columns:
        told = [cell for cell in cells if cell not in ("", "-")]
        number = bool(told) and all(re.match(r"[-+]?\d", cell) for cell in told)
        kinds.append("p" if max(map(len, cells), default=0) > WRAP_AFTER else "r" if number else "l")
    roots = [max(map(len, cells)) ** 0.5 if kind == "p" else 0.0 for cells, kind in zip(columns, kinds, strict=True)]
    shares = [min(WIDEST, WRAPPED * root / max(1.0, sum(roots))) for root in roots]
    return "".join(
        rf">{{\raggedright\arraybackslash}}p{{{share:.3f}\linewidth}}" if kind == "p" else kind
        for kind, share in zip(kinds, shares, strict=True)
    )


def write_forms(
    stem: Path,
    frame: pd.DataFrame,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    printed: Sequence[Sequence[str]] | None = None,
) -> list[Path]:
    """One table in three forms: the frame as csv, the display rows as markdown and (or `printed` ones) as LaTeX."""
    forms = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("csv", "md", "tex")]
    with atomic_path(forms[0]) as path:
        frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    write_text(forms[1], f"{escape_markdown(caption)}\n\n{markdown_table(columns, rows)}")
    write_text(forms[2], latex_table(columns, rows if printed is None else printed, caption, f"tab:{stem.name}"))
    return forms
