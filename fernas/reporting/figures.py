"""The only module that imports matplotlib: figures as small SVG texts that follow light and dark, and PNG for trackers.

Drawings are about 270 units wide, so that they read on a phone without zooming. Colours are names in `PALETTE`; the SVG
carries both schemes and the viewer's preference decides.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from fernas.core.errors import DataError  # noqa: E402
from fernas.core.images import encode_image  # noqa: E402
from fernas.core.io import read_parquet  # noqa: E402
from fernas.metrics import confusion  # noqa: E402
from fernas.reporting.predictions import class_indices  # noqa: E402

# name -> (colour that matplotlib draws and the SVG replaces, light scheme, dark scheme)
PALETTE = {
    "ink": ("#010101", "#1d2529", "#e7ebec"),
    "muted": ("#020202", "#5b686e", "#9aa7ac"),
    "line": ("#030303", "#d5dbdd", "#39444a"),
    "c0": ("#050505", "#0b6e6e", "#4fc3bd"),
    "c1": ("#060606", "#c4571b", "#f09a62"),
    "c2": ("#070707", "#4b5fb5", "#98a9f5"),
    "c3": ("#080808", "#9a3f78", "#e18fc0"),
    "c4": ("#090909", "#7a7a1f", "#cfcf6b"),
    "c5": ("#0a0a0a", "#5d7280", "#a9bac4"),
}
INK, MUTED, LINE = (PALETTE[name][0] for name in ("ink", "muted", "line"))
SERIES = tuple(PALETTE[f"c{i}"][0] for i in range(6))
KINDS = ("searched", "random baseline", "not searched")  # what a method is, by colour: SERIES in this order
WIDTH_IN = 3.75
LEGEND_LETTERS, LEGEND_FITS = 48, 50  # of one row of a legend; of title and legend beside each other
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
RC: dict[Any, Any] = {
    "svg.fonttype": "none", "font.size": 8, "font.family": ["DejaVu Sans"], "text.color": INK, "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE, "xtick.color": MUTED, "ytick.color": MUTED, "axes.linewidth": 0.8, "axes.titlesize": 8.5,
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.grid": False, "grid.color": LINE, "xtick.major.size": 0, "ytick.major.size": 0, "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round", "svg.hashsalt": "fernas", "path.simplify": True,
}  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A score with its interval, for a forest plot; fractions in 0..1."""

    label: str
    value: float
    low: float
    high: float
    kind: str = KINDS[0]


@dataclass(frozen=True)
class Panel:
    """One small plot of curves: series name -> (steps, values), with the range of the y axis where it is fixed."""

    title: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    ylabel: str = ""
    limits: tuple[float, float] | None = None


def _figure(height_in: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.patch.set_alpha(0)
    flat = list(axes.flat)
    for axis in flat:
        axis.patch.set_alpha(0)
    return figure, flat


def _svg(figure: Figure) -> str:
    """The figure as an SVG text whose colours follow the viewer's scheme; the same bytes for the same content."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"'DejaVu Sans'(?:, [^;\"]*)?", FONT.replace('"', "'"), text)
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d+\.\d{2})\d+", r"\1", tag.group()), text)  # not what is read
    light = "".join(f"--{name}:{colours[1]};" for name, colours in PALETTE.items())
    dark = "".join(f"--{name}:{colours[2]};" for name, colours in PALETTE.items())
    for name, colours in PALETTE.items():
        text = text.replace(colours[0], f"var(--{name})")
    style = f"<style>svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    return text.replace("<defs>", style + "<defs>", 1) if "<defs>" in text else text.replace(">", ">" + style, 1)


def _png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as a PNG in the light scheme, on white."""
    light = {colours[0]: colours[1] for colours in PALETTE.values()}
    for artist in figure.findobj():
        for name in ("color", "facecolor", "edgecolor"):
            getter, setter = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            if getter is None or setter is None:
                continue
            try:
                colour = matplotlib.colors.to_hex(getter())
            except (TypeError, ValueError):
                continue
            if colour in light:
                setter(light[colour])
    figure.patch.set_alpha(1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def image_png(image: np.ndarray) -> bytes:
    """A small image, uint8 (H, W, 3) RGB or (H, W, 1) grey, as PNG."""
    rgb = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
    return encode_image(np.ascontiguousarray(rgb))


@matplotlib.rc_context(RC)
def confusion_of(predictions: Path) -> bytes | None:
    """The confusion matrix of a predictions file as PNG; nothing for an empty or broken file."""
    try:
        frame = read_parquet(predictions)
    except DataError:
        return None
    if frame.empty:
        return None
    truth, guess, classes = class_indices(frame)
    return _png(_confusion(np.asarray(confusion(truth, guess, len(classes))), classes))


@matplotlib.rc_context(RC)
def confusion_svg(counts: np.ndarray, classes: Sequence[str]) -> str:
    """A confusion matrix: rows are true classes; each cell holds its count and its share of the row in percent."""
    return _svg(_confusion(counts, classes))


def _confusion(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    counts = np.asarray(counts, dtype=float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = len(classes)
    cells = {
        (row, column): (
            f"{counts[row, column]:.0f}\n{100 * share[row, column]:.0f} %",
            SERIES[0] if row == column else SERIES[1],
            0.05 + 0.52 * share[row, column],
        )
        for row in range(size)
        for column in range(size)
    }
    figure, axis = _matrix(cells, classes, 7.5 if size <= 5 else 6.2 if size <= 8 else 4.5, linespacing=1.15)
    axis.set_xlabel("predicted", fontsize=7.5)
    axis.set_ylabel("true", fontsize=7.5)
    return figure


@matplotlib.rc_context(RC)
def similarity_svg(values: np.ndarray, names: Sequence[str]) -> str:
    """A symmetric similarity matrix in 0..1 (FES); the shade follows the values, the diagonal is blank."""
    values = np.asarray(values, dtype=float)
    off = ~np.eye(len(names), dtype=bool)
    top = float(values[off].max(initial=0.0)) or 1.0
    cells = {
        (row, column): (f"{values[row, column]:.3f}".lstrip("0"), SERIES[0], 0.04 + 0.6 * values[row, column] / top)
        for row, column in np.argwhere(off).tolist()
    }
    return _svg(_matrix(cells, names, 6.5)[0])


def _matrix(
    cells: Mapping[tuple[int, int], tuple[str, str, float]],
    names: Sequence[str],
    size: float,
    linespacing: float | None = None,
) -> tuple[Figure, Axes]:
    """A square of shaded cells, (row, column) -> (text, colour, opacity), with the names along two sides."""
    count = len(names)
    figure, (axis,) = _figure(WIDTH_IN * (0.62 + 0.03 * min(count, 8)))
    for (row, column), (text, colour, alpha) in cells.items():
        corner = (column - 0.48, row - 0.48)
        axis.add_patch(
            matplotlib.patches.Rectangle(corner, 0.96, 0.96, facecolor=colour, alpha=alpha, linewidth=0)
        )  # fmt: skip
        axis.text(column, row, text, ha="center", va="center", fontsize=size, color=INK, linespacing=linespacing)
    short = [_short(name, 11) for name in names]
    axis.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xticks=range(count), yticks=range(count))
    axis.set_xticklabels(short, rotation=35 if count > 3 else 0, ha="right" if count > 3 else "center", fontsize=7)
    axis.set_yticklabels(short, fontsize=7)
    _hide_frame(axis)
    return figure, axis


def _hide_frame(axis: Axes) -> None:
    for spine in axis.spines.values():
        spine.set_visible(False)


def _names_at_left(axis: Axes, names: Sequence[str], xlabel: str, *, below: float, above: float) -> None:
    """One horizontal line per name, the first at the top, over a vertical grid; room in lines below and above."""
    axis.set(yticks=range(len(names)), ylim=(len(names) - 1 + below, -above))
    axis.set_yticklabels([_short(name, 24) for name in names], color=INK, fontsize=7.5)
    axis.set_xlabel(xlabel, fontsize=7.5)
    axis.xaxis.grid(True, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines["left"].set_visible(False)


def _kind_legend(axis: Axes, kinds: Sequence[str]) -> None:
    """What the colours of the methods say, where there are several."""
    present = [kind for kind in KINDS if kind in kinds]
    if len(present) < 2:
        return
    marks = [
        axis.plot([], [], "o", color=SERIES[KINDS.index(kind)], markersize=4.5, markeredgewidth=0)[0]
        for kind in present
    ]
    axis.legend(
        marks, present, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=6.5, labelcolor=MUTED,
        ncols=len(present), handlelength=0.8, handletextpad=0.3, columnspacing=1.0, borderaxespad=0.2,
    )  # fmt: skip


@matplotlib.rc_context(RC)
def forest_svg(estimates: Sequence[Estimate], chance: float | None = None, xlabel: str = "UAR, %") -> str:
    """A forest plot: one line per method with its 95 % interval, coloured by kind; a dashed line marks chance."""
    figure, (axis,) = _figure(0.75 + 0.26 * max(1, len(estimates)))
    for position, item in enumerate(estimates):
        colour = SERIES[KINDS.index(item.kind)]
        if np.isfinite(item.low):
            axis.plot([100 * item.low, 100 * item.high], [position] * 2, color=colour, linewidth=2, alpha=0.55)
        axis.plot([100 * item.value], [position], "o", color=colour, markersize=5.5)
    if chance is not None:
        axis.axvline(100 * chance, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axis.annotate(
            "chance", (100 * chance, -0.62), (3, 0), textcoords="offset points", fontsize=6.5, color=MUTED, va="center"
        )
    lows = [e.low if np.isfinite(e.low) else e.value for e in estimates] + ([chance] if chance is not None else [])
    highs = [e.high if np.isfinite(e.high) else e.value for e in estimates]
    low = max(0.0, np.floor(10 * min(lows, default=0)) * 10 - 2)
    high = min(102.0, np.ceil(10 * max(highs, default=1)) * 10 + 2)
    axis.set(xlim=(low, high))
    _names_at_left(axis, [item.label for item in estimates], xlabel, below=0.5, above=0.9)
    _kind_legend(axis, [item.kind for item in estimates])
    return _svg(figure)


@matplotlib.rc_context(RC)
def subjects_svg(
    scores: Mapping[str, Sequence[float]], kinds: Mapping[str, str], xlabel: str = "accuracy of a subject, %"
) -> str:
    """One dot per subject and method, fractions in 0..1, stacked where they nearly coincide; a bar marks the median.

    Args:
        scores: method -> accuracy of each subject.
        kinds: method -> one of `KINDS`, its colour.
        xlabel: what the scores are.
    """
    figure, (axis,) = _figure(0.75 + 0.42 * max(1, len(scores)))
    for position, (name, values) in enumerate(scores.items()):
        percents = 100 * np.sort(np.asarray(values, dtype=float))
        stacks = np.unique(np.round(percents / 2.5), return_inverse=True)[1]
        counts = np.bincount(stacks, minlength=1)
        step = min(0.13, 0.72 / max(1, int(counts.max())))
        colour = SERIES[KINDS.index(kinds[name])]
        for stack, count in enumerate(counts):
            heights = position + step * (np.arange(count) - (count - 1) / 2)
            axis.plot(
                percents[stacks == stack], heights, "o", color=colour, markersize=3.4, alpha=0.75, markeredgewidth=0
            )
        if len(percents):
            median = float(np.median(percents))
            axis.plot([median] * 2, [position - 0.4, position + 0.4], color=INK, linewidth=1.2)
    axis.set(xlim=(-3, 103))
    _names_at_left(axis, list(scores), xlabel, below=0.55, above=0.6)
    _kind_legend(axis, [kinds[name] for name in scores])
    return _svg(figure)


@matplotlib.rc_context(RC)
def curves_svg(panels: Sequence[Panel], xlabel: str = "epoch") -> str:
    """Small plots of curves below each other; the legend is beside the title, or below it where it is long."""
    columns = [_legend_columns(panel) for panel in panels]
    rows = [-(-len(panel.series) // count) if count else 0 for panel, count in zip(panels, columns, strict=True)]
    figure, axes = _figure((1.28 + 0.12 * max(rows, default=0)) * max(1, len(panels)), rows=max(1, len(panels)))
    for axis, panel, beneath, lines in zip(axes, panels, columns, rows, strict=False):
        for number, (name, (steps, values)) in enumerate(panel.series.items()):
            dots = "o" if len(values) == 1 else ""
            axis.plot(
                steps, values, color=SERIES[number % len(SERIES)], label=name, marker=dots, markersize=4, alpha=0.9
            )
        axis.set_title(panel.title, color=INK, pad=6 + 10 * lines)
        axis.set_ylabel(panel.ylabel, fontsize=7)
        axis.yaxis.grid(True, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axis.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axis.set_ylim(panel.limits)
        axis.ticklabel_format(axis="y", useOffset=False, style="plain")
        axis.tick_params(labelsize=7)
        drawn = sorted({step for steps, _ in panel.series.values() for step in steps})
        if len(drawn) == 1:
            axis.set(xlim=(drawn[0] - 1, drawn[0] + 1), xticks=drawn)
        if 1 < len(panel.series) <= 6:
            axis.legend(
                loc="lower left" if beneath else "lower right", bbox_to_anchor=(0 if beneath else 1.01, 0.98),
                fontsize=6.5, labelcolor=MUTED, ncols=beneath or len(panel.series), handlelength=1.0,
                columnspacing=0.9, borderaxespad=0, handletextpad=0.4,
            )  # fmt: skip
    if panels:
        axes[len(panels) - 1].set_xlabel(xlabel, fontsize=7.5)
    return _svg(figure)


def _legend_columns(panel: Panel) -> int:
    """Columns of a legend beneath the title, or 0 where it fits beside it."""
    letters = [len(name) + 4 for name in panel.series]
    if len(letters) < 2 or len(panel.title) + sum(letters) <= LEGEND_FITS:
        return 0
    return max(1, min(3, LEGEND_LETTERS // max(letters)))


@matplotlib.rc_context(RC)
def coverage_svg(coverage: np.ndarray, face: np.ndarray) -> str:
    """A coverage map, float (S, S) in 0..1, over a grey face, uint8 (S, S): the more searches, the more opaque."""
    figure, (axis,) = _figure(WIDTH_IN * 0.8)
    axis.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    shown = axis.imshow(
        coverage, cmap="plasma", vmin=0, vmax=max(float(coverage.max()), 1e-9), alpha=np.where(coverage > 0, 0.62, 0.0)
    )
    bar = figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
    bar.set_label("share of searches, weighted by fitness", fontsize=7, color=MUTED)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    axis.set(xticks=[], yticks=[])
    _hide_frame(axis)
    return _svg(figure)


@matplotlib.rc_context(RC)
def front_svg(
    points: Sequence[tuple[float, float]],
    fronts: Sequence[Sequence[tuple[float, float]]],
    chosen: Sequence[tuple[float, float]],
) -> str:
    """Genomes as (parameters, UAR in 0..1): all of them, the front of each search as a step line, the choices."""
    figure, (axis,) = _figure(WIDTH_IN * 0.7)
    axis.plot([p for p, _ in points], [100 * u for _, u in points], ".", color=MUTED, markersize=3, alpha=0.45)
    for number, front in enumerate(fronts):
        steps = ([p for p, _ in front], [100 * u for _, u in front])
        axis.plot(*steps, color=SERIES[number % len(SERIES)], drawstyle="steps-post", linewidth=1.3)
    marks = ([p for p, _ in chosen], [100 * u for _, u in chosen])
    axis.plot(*marks, "o", color=INK, markersize=5, markerfacecolor="none")
    axis.set_xlabel("parameters", fontsize=7.5)
    axis.set_ylabel("selection UAR, %", fontsize=7.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}k")
    axis.yaxis.grid(True, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=7)
    return _svg(figure)


@matplotlib.rc_context(RC)
def costs_svg(costs: Mapping[str, Mapping[str, float]], xlabel: str = "core-seconds") -> str:
    """What each method cost per stage, as stacked bars: method -> stage -> amount."""
    stages = list(dict.fromkeys(stage for parts in costs.values() for stage in parts))
    figure, (axis,) = _figure(0.7 + 0.26 * max(1, len(costs)))
    for number, stage in enumerate(stages):
        lefts = [sum(parts.get(s, 0.0) for s in stages[:number]) for parts in costs.values()]
        widths = [parts.get(stage, 0.0) for parts in costs.values()]
        axis.barh(range(len(costs)), widths, left=lefts, color=SERIES[number % len(SERIES)], height=0.62, label=stage)
    _names_at_left(axis, list(costs), xlabel, below=0.55, above=0.55)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axis.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=7, labelcolor=MUTED, ncols=len(stages) or 1,
        handlelength=0.9, handleheight=0.9, borderaxespad=0.2,
    )  # fmt: skip
    return _svg(figure)


@matplotlib.rc_context(RC)
def ranks_svg(difference: Mapping[str, Any]) -> str:
    """A critical-difference image (Demsar 2006): mean ranks, 1 is best; a bar joins methods that do not differ.

    Args:
        difference: what `fernas.scoring.ranks.critical_difference` gives, available.
    """
    ranks: Mapping[str, float] = difference["ranks"]
    names = sorted(ranks, key=lambda name: (ranks[name], name))
    figure, (axis,) = _figure(0.95 + 0.23 * len(names))
    for position, name in enumerate(names):
        axis.plot([0.5, ranks[name]], [position] * 2, color=LINE, linewidth=0.8, zorder=1)
        axis.plot([ranks[name]], [position], "o", color=SERIES[0], markersize=5.5, zorder=3)
        axis.annotate(
            f"{ranks[name]:.2f}", (ranks[name], position), (5, 0), textcoords="offset points", fontsize=6.5,
            color=MUTED, va="center",
        )  # fmt: skip
    for number, group in enumerate(difference["groups"]):
        first, last = names.index(group[0]), names.index(group[-1])
        x = len(names) + 0.75 + 0.22 * number
        axis.plot([x, x], [first - 0.25, last + 0.25], color=INK, linewidth=3, solid_capstyle="butt", zorder=2)
    distance = float(difference["critical_difference"])
    axis.plot([1, 1 + distance], [-1.0, -1.0], color=INK, linewidth=1.4)
    axis.text(1 + distance / 2, -1.25, f"critical difference {distance:.2f}", fontsize=6.5, color=MUTED, ha="center")
    right = max(len(names) + 1.0 + 0.22 * len(difference["groups"]), 1.2 + distance)
    axis.set(
        yticks=range(len(names)), ylim=(len(names) - 0.5, -1.9), xlim=(0.5, right), xticks=range(1, len(names) + 1)
    )
    axis.set_yticklabels([_short(name, 24) for name in names], color=INK, fontsize=7.5)
    axis.set_xlabel(f"mean rank over {difference['datasets']} datasets, 1 is best", fontsize=7.5)
    axis.spines["left"].set_visible(False)
    return _svg(figure)


def _short(text: str, length: int) -> str:
    plain = str(text).replace("$", "＄")  # a dollar sign would start a formula
    return plain if len(plain) <= length else plain[: length - 1] + "…"
