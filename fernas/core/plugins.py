"""Plug-ins: one file `fernas/<kind>/<name>.py` that defines PLUGIN. A file is enough: there is no list of plug-ins."""

import ast
import functools
import importlib
from pathlib import Path
from typing import Any

from fernas.core.errors import unknown

ROOT = Path(__file__).resolve().parent.parent
COMPOSITE = "composite"  # stands for an adapter: several datasets of the config as one
KINDS = {"datasets", "protocols", "spaces", "search", "training", "synth/layouts", "metrics", "views"}


@functools.cache
def available(kind: str) -> tuple[str, ...]:
    """The names of the plug-ins of a kind, sorted; the files are read, not imported."""
    if kind not in KINDS:
        raise unknown("kind of plug-in", kind, KINDS)
    folder = ROOT / kind
    # not imported: listing the names must not load torch
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_") and _defines_plugin(p)))


def _defines_plugin(path: Path) -> bool:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(t, ast.Name) and t.id == "PLUGIN" for t in targets):
            return True
    return False


def module_name(kind: str, name: str) -> str:
    """The dotted module of a plug-in; a ConfigError with the nearest name when there is none."""
    if name not in available(kind):
        raise unknown(f"plug-in in fernas/{kind}/", name, available(kind))
    return f"fernas.{kind.replace('/', '.')}.{name}"


def load(kind: str, name: str) -> Any:
    """The PLUGIN object of `fernas/<kind>/<name>.py`."""
    return importlib.import_module(module_name(kind, name)).PLUGIN
