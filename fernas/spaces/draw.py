"""Drawings of architectures as SVG, by hand: no drawing library, text escaped, readable on light and dark pages.

`draw_svg` dispatches by kind through one table, as `networks` does.
"""

import importlib
from collections.abc import Sequence
from xml.sax.saxutils import escape

from fernas.core.architecture import Architecture, CellsArchitecture, NamedArchitecture
from fernas.core.errors import ConfigError

# kind -> module with draw(arch) -> str
DRAWERS = {"cells": "fernas.spaces.draw", "named": "fernas.spaces.draw", "patches": "fernas.spaces.patches"}

FAMILIES = {  # beginning of an operation's name -> colour of its edges; mid tones read on white and on black
    "sep_conv": "#3b82c4",
    "dil_conv": "#8b6fc9",
    "conv": "#2f9e8f",
    "ghost": "#5b9a3c",
    "max_pool": "#d9822b",
    "avg_pool": "#c9a227",
    "skip_connect": "#8a8f98",
}
STROKE = "#8a8f98"
STYLE = (
    "<style>.fernas-arch text{fill:#5f6670}@media (prefers-color-scheme:dark){.fernas-arch text{fill:#b9bfc8}}</style>"
)
NODE_W, NODE_H = 68, 30
COLUMN, LANE = 148, 26
FONT = "font-family='system-ui, sans-serif'"


def draw_svg(arch: Architecture) -> str:
    """The SVG document (text) of an architecture of any kind."""
    if arch.kind not in DRAWERS:
        raise ConfigError(f"draw: unknown kind {arch.kind!r}; expected one of {list(DRAWERS)}")
    return importlib.import_module(DRAWERS[arch.kind]).draw(arch)


def draw(arch: CellsArchitecture | NamedArchitecture) -> str:
    """The normal cell above the reduction cell; a named network is a box with its name."""
    if isinstance(arch, NamedArchitecture):
        return _document(320, 80, [_box(20, 20, 280, 40, arch.name)], arch.name)
    parts: list[str] = []
    top, width = 8.0, 0.0
    for title, pairs, concat in (
        (f"normal cell ({arch.space})", arch.normal, arch.normal_concat),
        (f"reduction cell ({arch.space})", arch.reduce, arch.reduce_concat),
    ):
        body, w, h = _cell(title, pairs, concat)
        parts.append(f"<g transform='translate(8 {top})'>{body}</g>")
        top, width = top + h + 18, max(width, w)
    return _document(width + 16, top, parts, f"cells of {arch.space}")


def _colour(operation: str) -> str:
    return next((colour for start, colour in FAMILIES.items() if operation.startswith(start)), "#b0569a")


def _document(width: float, height: float, parts: Sequence[str], title: str) -> str:
    size = f"viewBox='0 0 {width:g} {height:g}' width='{width:g}' height='{height:g}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' class='fernas-arch'>"
    return "\n".join([head, f"<title>{escape(title)}</title>", STYLE, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, size: int = 13, anchor: str = "middle", extra: str = "") -> str:
    return f"<text x='{x:g}' y='{y:g}' font-size='{size}' text-anchor='{anchor}' {FONT} {extra}>{escape(text)}</text>"


def _box(x: float, y: float, w: float, h: float, label: str) -> str:
    place = f"x='{x:g}' y='{y:g}' width='{w:g}' height='{h:g}' rx='7'"
    rect = f"<rect {place} fill='#8a8f98' fill-opacity='0.16' stroke='{STROKE}'/>"
    return rect + _text(x + w / 2, y + h / 2 + 4.5, label)


def _label(x: float, y: float, operation: str) -> str:
    """An operation's name on its edge, over a small plate of the edge's colour."""
    w, colour = 6.7 * len(operation) + 12, _colour(operation)
    return f"<rect x='{x - w / 2:g}' y='{y - 9.5:g}' width='{w:g}' height='18' rx='9' fill='{colour}'/>" + _text(
        x, y + 3.8, operation, 11, extra="style='fill:#fff'"
    )


def _cell(title: str, pairs: Sequence[tuple[str, int]], concat: Sequence[int]) -> tuple[str, float, float]:
    """One cell: states from left to right, an operation on each edge in a lane of its own below them.

    Every edge has its own horizontal lane, so that no label covers another: down from the right half of its source,
    along, up into the left half of its target.
    """
    nodes = len(pairs) // 2
    names = ["c[k-2]", "c[k-1]", *(str(i) for i in range(nodes)), "c[k]"]
    x = [8 + COLUMN * i for i in range(len(names))]
    y = 38.0
    base = y + NODE_H + 22
    lines, labels = [], []
    leaving = [[i for i, (_, source) in enumerate(pairs) if source == s] for s in range(len(names))]
    for i, (operation, source) in enumerate(pairs):
        target, colour = 2 + i // 2, _colour(operation)
        others = leaving[source]
        step = min(9.0, 26.0 / len(others))
        x0 = x[source] + NODE_W - 8 - step * others.index(i)  # the deeper the lane, the further left: no crossing
        x1 = x[target] + (10 if i % 2 == 0 else 24)
        lane = base + LANE * i
        lines.append(
            f"<path d='M{x0:g} {y + NODE_H:g}V{lane - 8:g}Q{x0:g} {lane:g} {x0 + 8:g} {lane:g}H{x1 - 8:g}"
            f"Q{x1:g} {lane:g} {x1:g} {lane - 8:g}V{y + NODE_H + 7:g}' fill='none' stroke='{colour}' stroke-width='2'/>"
            f"<path d='M{x1 - 4:g} {y + NODE_H + 8:g}h8l-4 -7z' fill='{colour}'/>"
        )
        labels.append(_label((x0 + x1) / 2, lane, operation))
    boxes = [_box(x[i], y, NODE_W, NODE_H, name) for i, name in enumerate(names)]
    last = x[-1] + NODE_W / 2
    for state in concat:
        left = x[state] + NODE_W / 2
        lines.append(
            f"<path d='M{left:g} {y:g}V{y - 9:g}H{last:g}V{y:g}' fill='none' stroke='{STROKE}' stroke-width='1.2' "
            "stroke-dasharray='4 3'/>"
        )
    texts = [_text(8, 16, title, 14, "start", "font-weight='600'"), _text(last, y + NODE_H + 16, "concat", 11)]
    return "".join(lines + labels + boxes + texts), x[-1] + NODE_W + 8, base + LANE * len(pairs)
