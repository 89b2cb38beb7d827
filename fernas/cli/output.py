"""Output of the commands: a table for readers, JSON for programs."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fernas.core.io import to_json


def emit(document: Any, as_json: bool, title: str = "") -> None:
    """Print a mapping as two columns, a list of mappings as a table, or either as JSON."""
    if as_json:
        sys.stdout.write(to_json(document))
        return
    if isinstance(document, Mapping):
        print_table([{"": key, "value": value} for key, value in document.items()], title)
    else:
        print_table(document, title)


def print_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print rows as a table; an empty list prints one line."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        sys.stdout.write(f"{title or 'table'}: empty\n")
        return
    table = Table(title=title or None, title_justify="left")
    for column in rows[0]:
        table.add_column(str(column), overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value).replace("[", r"\[")
