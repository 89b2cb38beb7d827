"""The report: one self-contained HTML page of what `compare` computed and of the files of the runs."""

import re
import time
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fernas.core.io import atomic_path, write_text
from fernas.reporting._markdown import to_html
from fernas.reporting.compare import StudyTables
from fernas.reporting.comparison import table_columns
from fernas.reporting.complexity import complexity_table, read_complexity
from fernas.reporting.formats import short_count
from fernas.reporting.provenance import data_blocks, provenance
from fernas.reporting.published import published_tables
from fernas.reporting.stored import RENDERED_NOTE
from fernas.reporting.task_page import TaskPage, read_drawing, task_pages
from fernas.reporting.verdict import summary_table
from fernas.study import Study
from fernas.study.outputs import report_pages, slug

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
"""The page of terms; a package that was installed without the documentation has none, and the report no glossary."""


def build_report(results: Path | str, study: Study, out_dir: Path | str) -> Path:
    """Write `index.html` into `out_dir` from the tables that `compare` wrote; nothing is computed again.

    The page needs no network and holds its images as data; images of real people only where the config says so.
    Of many tasks each has a page of its own beside the index, and `report.zip` holds them all.

    Returns:
        The page's path.

    Raises:
        DataError: `compare` has not written its tables.
    """
    root, page = Path(results), Path(out_dir) / "index.html"
    tables = StudyTables.read(root)
    pages = task_pages(root, tables, study)
    origin = provenance(root, study)
    frame = tables.comparison
    context: dict[str, Any] = {
        "style": _asset("report.css"),
        "script": _asset("report.js"),
        "glossary": to_html(GLOSSARY.read_text(encoding="utf-8"), top_level=3) if GLOSSARY.is_file() else "",
        "rendered_note": RENDERED_NOTE,
        "any_rendered": any(task.rendered for task in pages),
        "columns": [column for column in table_columns() if "html" in column.forms and column.about],
        "blocks": pages,
        "summary": summary_table(frame, tables.statistics),
        "ranks": next((read_drawing(root, d) for d in tables.facts["drawings"] if d["kind"] == "ranks"), None),
        "ranks_reason": str(tables.facts["ranks"].get("reason", "")),
        "left_out": tables.facts["left_out"],
        "counts": {status: int((frame["status"] == status).sum()) for status in ("ok", "failed", "skipped")},
        "datasets": data_blocks(root),
        "origin": origin,
        "last": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(origin["last"])) if origin["last"] else "",
        "total_core_s": short_count(frame["core_s"].sum() or None),
        "complexity": complexity_table(read_complexity(root)),
        "published": published_tables(tables.published)[0],
    }
    _write_pages(page, pages, context)
    return page


def _write_pages(page: Path, tasks: list[TaskPage], context: dict[str, Any]) -> None:
    """One page; of many tasks a page each beside the index, and all of them as one archive."""
    template = _environment().get_template("report.html.j2")
    if not report_pages([(task.task, task.protocol) for task in tasks]):
        whole = {"part": "whole", "shown": tasks, "home": "", "address_of": lambda task: f"#{slug(task.anchor)}"}
        write_text(page, template.render(**context, **whole))
        return
    parts: dict[str, dict[str, Any]] = {"index.html": {"part": "index", "shown": [], "home": ""}}
    for task in tasks:
        parts[_file_of(task)] = {"part": "task", "shown": [task], "home": "index.html"}
    for name, part in parts.items():
        write_text(page.with_name(name), template.render(**context, **part, address_of=_file_of))
    with (
        atomic_path(page.with_name("report.zip")) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in parts:
            archive.write(page.with_name(name), f"report/{name}")


def _file_of(task: TaskPage) -> str:
    return f"{slug(task.anchor)}.html"


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


def breakable(text: Any) -> Markup:
    """A name that may break after its underscores and dashes."""
    return Markup("").join(
        Markup("{}<wbr>").format(part) if part in ("_", "-") else escape(part)
        for part in re.split(r"([_-])", str(text))
    )


def _asset(name: str) -> Markup:
    return Markup(resources.files("fernas.reporting").joinpath("templates", name).read_text(encoding="utf-8"))
