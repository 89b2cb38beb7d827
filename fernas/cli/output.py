"""Output of the commands: a table for readers, JSON for programs, and files that replace nothing of the user's."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fernas.core.errors import ConfigError
from fernas.core.io import to_json


def refuse_taken(out: Path, force: bool, reads: Sequence[Path] = (), folder: bool = False) -> None:
    """Refuse, before a command does anything, an output that would replace or join something of the user's.

    Nobody can tell who made a file, so any that exists counts as the user's.

    Args:
        out: the file or folder to write.
        force: whether the user has asked for it all the same.
        reads: files and folders that the command reads.
        folder: whether `out` is a folder, which may exist if it is empty.

    Raises:
        ConfigError: `out` is of the other kind, or lies below a file; or, without `force`, it is what the command
            reads or within it, lies in a dataset, or exists.
    """
    target = Path(os.path.realpath(out))
    over = next((parent for parent in target.parents if os.path.lexists(parent)), target)
    if not os.path.isdir(over):
        raise ConfigError(f"{out}: cannot be written, since {over} is no folder")
    if os.path.exists(target) and os.path.isdir(target) != folder:
        raise ConfigError(f"{out}: expected a {'folder' if folder else 'file'}, and it is none")
    if force:
        return
    for what, path in (*(("what this command reads", path) for path in reads), *_datasets_over(target)):
        if target.is_relative_to(os.path.realpath(path)):
            raise ConfigError(f"{out}: is or lies in {path}, {what}; name another place, or add --force")
    if os.path.lexists(target) and not (folder and not any(target.iterdir())):
        there = "not empty" if folder else "exists"
        raise ConfigError(f"{out}: {there}; name another {'folder' if folder else 'file'}, or add --force to replace")


def _datasets_over(target: Path) -> Iterator[tuple[str, str | Path]]:
    """Folders of datasets: rendered ones above the target, and roots that config.yaml in the working folder names."""
    import yaml

    from fernas.synth.dataset import RENDERED_NAME

    yield from (("a rendered dataset", parent) for parent in target.parents if (parent / RENDERED_NAME).exists())
    try:
        document = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
        sections = document["datasets"].items()
    except (OSError, ValueError, yaml.YAMLError, RecursionError, TypeError, KeyError, AttributeError):
        return  # what is no config names no roots
    for name, section in sections:
        if isinstance(section, dict) and isinstance(section.get("root"), str):
            yield f"the root of {name} in config.yaml", section["root"]


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
