"""The report: one self-contained HTML page of everything under the results folder."""

import re
import time
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fernas.core.config import StudyConfig
from fernas.core.io import atomic_path, write_bytes, write_text
from fernas.reporting.block_tables import DETAILS, GAPS, PATCH_COSTS, Standing, write_block_tables, write_matrix
from fernas.reporting.collect import Cell, Image, TaskBlock, svg_address, svg_of, task_blocks
from fernas.reporting.complexity import read_complexity, shown
from fernas.reporting.formats import missing, percent, records_of, short_count
from fernas.reporting.provenance import data_blocks, provenance
from fernas.reporting.published import beside_ours, write_published
from fernas.reporting.statistics import (
    SIGNIFICANT,
    Statistics,
    kept_statistics,
    p_text,
    run_name,
    winner,
    write_statistics,
)
from fernas.reporting.tables import comparison, write_tables
from fernas.reporting.tree import RENDERED_NOTE

COLUMNS = (  # heading, explanation
    ("UAR, %", "unweighted average recall with its 95 % interval, pooled over all test samples, mean over seeds"),
    ("to the best", "UAR minus that of the best in points; p of the swap test over whole subjects, Holm-adjusted"),
    ("UF1, %", "unweighted F1: the mean of the classes' F1 scores"),
    ("acc., %", "accuracy, the share of correct answers"),
    ("params", "parameters of the trained network"),
    ("MACs", "multiply-accumulates of one forward pass of one image"),
    ("search MACs", "what the search spent per search seed, backward passes counted twice"),
    ("core-s", "measured core-seconds of search and training per seed"),
    ("seeds", "repetitions that were scored"),
    ("search", "entropy of alpha in nats from the first to the last epoch; skips of the normal + reduction cell"),
)

MAX_TASKS_OF_ONE_PAGE = 8
"""A report of more tasks is a folder: an index, a page per task, and all of it as an archive."""

COMPLEXITY = (  # heading, column, explanation; in the order of `complexity.SHOWN`
    ("params", "params", "without auxiliary head"),
    ("MACs", "macs", "of one forward pass of one image"),
    ("weights, MB", "weight_bytes", ""),
    ("file, MB", "saved_bytes", "the saved model"),
    ("search, MiB", "search_peak_mib", "peak memory of the largest search job"),
    ("training, MiB", "train_peak_mib", "peak memory of the largest training job"),
    ("ms at 1", "latency_1_ms", "latency of a batch of one image, the median of 20 passes"),
    ("ms at 32", "latency_32_ms", "latency of a batch of 32 images"),
    ("frames/s at 1", "frames_per_s", ""),
    ("frames/s at 32", "frames_per_s_32", ""),
    ("to Auto-FERNet", "macs_to_autofernet", "MACs relative to the network that autofernet found on the same task"),
)
PAIRS = (  # heading, explanation
    ("method a", ""),
    ("method b", ""),
    ("UAR a - b", "in points, with its 95 % interval over resampled subjects"),
    ("p swap", "swap test"),
    ("p Holm", "swap test, adjusted over all pairs of the task"),
    ("least p", "the smallest p that data of this size can give"),
    ("p Wilcoxon", "signed ranks of the subjects' accuracies"),
    ("p McNemar", "where samples are independent"),
    ("d_z", "effect size: mean over standard deviation of the subjects' shares of the difference"),
    ("better / equal / worse", "subjects"),
)


def build_report(results: Path | str, config: StudyConfig | None, out_dir: Path | str) -> Path:
    """Write `index.html` into `out_dir`, and every table as csv, markdown and LaTeX into `results/tables`.

    The page needs no network and holds its images as data; images of real people only where the config says so.
    Of many tasks each has a page of its own beside the index, and `report.zip` holds them all.

    Returns:
        The page's path.
    """
    root, page = Path(results), Path(out_dir) / "index.html"
    frame = comparison(root, config, write=False)
    statistics = kept_statistics(root, frame, config)
    blocks = task_blocks(root, frame, config, statistics)
    rows = beside_ours(root, frame, config)
    write_tables(root, frame, statistics)
    write_statistics(root, statistics)
    matrix = score_matrix(frame, blocks, statistics)
    write_matrix(root, blocks, matrix)
    for block in blocks:
        write_block_tables(root, block)
        if block.forest is not None:
            write_bytes(root / "tables" / f"{block.anchor}.svg", svg_of(block.forest))
    write_published(root, rows)
    origin = provenance(root, config)
    context: dict[str, Any] = {
        "style": _asset("report.css"),
        "script": _asset("report.js"),
        "rendered_note": RENDERED_NOTE,
        "any_rendered": any(block.rendered for block in blocks),
        "columns": COLUMNS,
        "blocks": blocks,
        "matrix": matrix,
        "pairs": PAIRS,
        "ranks": ranks_image(statistics),
        "ranks_reason": str(statistics.ranks.get("reason", "")),
        "left_out": statistics.left_out,
        "counts": {status: int((frame["status"] == status).sum()) for status in ("ok", "failed", "skipped")},
        "datasets": data_blocks(root),
        "origin": origin,
        "last": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(origin.last)) if origin.last else "",
        "total_core_s": short_count(_total(frame)),
        "details": DETAILS,
        "gaps": GAPS,
        "patch_costs": PATCH_COSTS,
        "complexity": complexity_rows(root),
        "complexity_columns": COMPLEXITY,
        "published": rows,
    }
    _write_pages(page, blocks, context)
    return page


def _write_pages(page: Path, blocks: list[TaskBlock], context: dict[str, Any]) -> None:
    """One page; of many tasks a page each beside the index, and all of them as one archive."""
    template = _environment().get_template("report.html.j2")
    if len(blocks) <= MAX_TASKS_OF_ONE_PAGE:
        whole = {"part": "whole", "shown": blocks, "home": "", "place_of": lambda block: f"#{slug(block.anchor)}"}
        write_text(page, template.render(**context, **whole))
        return
    pages: dict[str, dict[str, Any]] = {"index.html": {"part": "index", "shown": [], "home": ""}}
    for block in blocks:
        pages[_page_of(block)] = {"part": "task", "shown": [block], "home": "index.html"}
    for name, own in pages.items():
        write_text(page.with_name(name), template.render(**context, **own, place_of=_page_of))
    with (
        atomic_path(page.with_name("report.zip")) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as z,
    ):
        for name in pages:
            z.write(page.with_name(name), f"report/{name}")


def _page_of(block: TaskBlock) -> str:
    return f"{slug(block.anchor)}.html"


def score_matrix(
    frame: pd.DataFrame, blocks: list[TaskBlock], statistics: Statistics | None = None
) -> list[tuple[str, list[Standing]]]:
    """Method -> its standing per task, of finished methods; the scope of highest UAR where there are several."""
    good = frame[frame["status"] == "ok"]
    rows = []
    for name in dict.fromkeys(good.sort_values("uar", ascending=False)["method"]):
        cells = []
        for block in blocks:
            here = good[(good["task"] == block.task) & (good["protocol"] == block.protocol)]
            records = records_of(here.sort_values(["uar", "method"], ascending=[False, True], kind="stable"))
            own = winner([record for record in records if record["method"] == name])
            cells.append(Standing("-") if own is None else _standing(own, records, statistics or Statistics()))
        rows.append((str(name), cells))
    return rows


def _standing(own: dict[str, Any], records: list[dict[str, Any]], statistics: Statistics) -> Standing:
    value = float(own["uar"])
    if own is winner(records):
        return Standing(percent(value), value, "best")
    pair = statistics.against_best(records).get(run_name(own, records))
    if pair is None:
        return Standing(percent(value), value)
    return Standing(percent(value), value, "worse" if pair["swap_p_holm"] < SIGNIFICANT else "equal")


def ranks_image(statistics: Statistics) -> Image | None:
    """The critical-difference image, where there are datasets enough."""
    found = statistics.ranks
    if not found.get("available"):
        return None
    from fernas.reporting.figures import ranks_svg

    ranked = sorted(found["ranks"].items(), key=lambda item: item[1])
    words = ", ".join(f"{name} {rank:.2f}" for name, rank in ranked)
    told = f"Friedman's p {p_text(found['p'])}, critical difference {found['critical_difference']:.2f}"
    told += f"; left out: {', '.join(found['left_out'])}" if found["left_out"] else ""
    told += f"; {RENDERED_NOTE}" if found["rendered"] else ""
    return Image(svg_address(ranks_svg(found)), f"Mean ranks over {found['datasets']} datasets: {words}. {told}", told)


def complexity_rows(results: Path) -> list[tuple[str, str, list[Cell], str]]:
    """(method, task, its numbers, note) per row that the target `complexity` measured, in the order of `COMPLEXITY`."""
    rows = []
    for record in records_of(read_complexity(results)):
        task, method, _, *texts, _ = shown(record)
        numbers = [None if missing(record[key]) else float(record[key]) for _, key, _ in COMPLEXITY]
        cells = [Cell(text, number) for text, number in zip(texts, numbers, strict=True)]
        where = f"{record['input']} on {record['device']}, {record['threads']} thread{'s' * (record['threads'] != 1)}"
        told = "" if missing(record["note"]) else str(record["note"])
        rows.append((method, task, cells, "; ".join(filter(None, [where, told]))))
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
