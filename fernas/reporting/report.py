"""The report: one self-contained HTML page of everything under the results folder."""

import re
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fernas.core.config import StudyConfig
from fernas.core.io import write_text
from fernas.reporting.collect import TaskBlock, task_blocks
from fernas.reporting.provenance import data_blocks, provenance
from fernas.reporting.published import beside_ours, write_published
from fernas.reporting.tables import comparison, percent, short_count, write_tables
from fernas.reporting.tree import RENDERED_NOTE

COLUMNS = (  # heading, explanation
    ("UAR, %", "unweighted average recall with its 95 % interval, pooled over all test samples, mean over seeds"),
    ("UF1, %", "unweighted F1: the mean of the classes' F1 scores"),
    ("acc., %", "accuracy, the share of correct answers"),
    ("params", "parameters of the trained network"),
    ("MACs", "multiply-accumulates of one forward pass of one picture"),
    ("search MACs", "what the search spent per search seed, backward passes counted twice"),
    ("core-s", "measured core-seconds of search and training per seed"),
    ("seeds", "repetitions that were scored"),
)

DETAILS = ("UAR, mean of folds", "SD over seeds", "UAR without faceless", "faceless samples")


def build_report(results: Path | str, config: StudyConfig | None, out_dir: Path | str) -> Path:
    """Write `index.html` into `out_dir`, and every table as csv, markdown and LaTeX into `results/tables`.

    The page needs no network and holds its pictures as data; pictures of real people only where the config says so.

    Returns:
        The page's path.
    """
    root, page = Path(results), Path(out_dir) / "index.html"
    frame = comparison(root, config, write=False)
    blocks = task_blocks(root, frame, config)
    rows = beside_ours(root, frame, config)
    write_tables(root, frame)
    write_published(root, rows)
    origin = provenance(root, config)
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            style=_asset("report.css"),
            script=_asset("report.js"),
            rendered_note=RENDERED_NOTE,
            any_rendered=any(block.rendered for block in blocks),
            columns=COLUMNS,
            blocks=blocks,
            matrix=score_matrix(frame, blocks),
            counts={status: int((frame["status"] == status).sum()) for status in ("ok", "failed", "skipped")},
            datasets=data_blocks(root),
            origin=origin,
            last=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(origin.last)) if origin.last else "",
            total_core_s=short_count(_total(frame)),
            details=DETAILS,
            published=rows,
        )
    )
    write_text(page, html)
    return page


def score_matrix(
    frame: pd.DataFrame, blocks: list[TaskBlock]
) -> list[tuple[str, list[tuple[str, float | None, bool]]]]:
    """Method -> (UAR in percent, the number, whether it is the task's best) per task, of finished methods."""
    good = frame[frame["status"] == "ok"]
    rows = []
    for name in dict.fromkeys(good.sort_values("uar", ascending=False)["method"]):
        cells: list[tuple[str, float | None, bool]] = []
        for block in blocks:
            here = good[(good["task"] == block.task) & (good["protocol"] == block.protocol)]
            values = [float(value) for value in here.loc[here["method"] == name, "uar"]]
            value = max(values, default=None)
            best = value is not None and value == float(here["uar"].max())
            cells.append((percent(value), value, best))
        rows.append((str(name), cells))
    return rows


def _total(frame: pd.DataFrame) -> float | None:
    total = pd.to_numeric(frame["core_s"]).sum()
    return float(total) if total > 0 else None


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fernas.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["slug"] = slug
    environment.filters["breakable"] = breakable
    return environment


def slug(text: Any) -> str:
    """A text as an id: letters, digits and dashes."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in str(text)).strip("-").lower()


def breakable(text: Any) -> Markup:
    """A name that may break after its underscores, dashes and brackets."""
    return Markup("").join(
        Markup("{}<wbr>").format(part) if part in ("_", "-") else escape(part)
        for part in re.split(r"([_-])", str(text))
    )


def _asset(name: str) -> Markup:
    return Markup(resources.files("fernas.reporting").joinpath("templates", name).read_text(encoding="utf-8"))
