"""What `compare` draws beside the tables: SVG texts, with the words for those who do not see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fernas.reporting.formats import p_value, uar_text
from fernas.reporting.statistics import finished, run_name
from fernas.reporting.stored import RENDERED_NOTE, folds_document
from fernas.reporting.table import Row
from fernas.study import Study


@dataclass(frozen=True)
class Drawing:
    """An SVG text.

    Attributes:
        name: the end of the file name, without suffix.
        svg: the image.
        alt: the same in words.
        caption: what stands above it.
    """

    name: str
    svg: str
    alt: str
    caption: str = ""


def forest(records: Sequence[dict[str, Any]], classes: int) -> Drawing | None:
    """The UAR of every finished method with its confidence interval; nothing without one.

    Args:
        records: the rows of one task, best UAR first.
        classes: the number of classes, for the chance level; 0 where it is not known.
    """
    from fernas.reporting import figures

    rows = finished(records)
    if not rows:
        return None
    names = [run_name(record, records) for record in rows]
    estimates = [
        figures.Estimate(name, record["uar"], record["uar_low"], record["uar_high"], kind_of(record))
        for name, record in zip(names, rows, strict=True)
    ]
    words = "; ".join(f"{name} {uar_text(record)}" for name, record in zip(names, rows, strict=True))
    svg = figures.forest_svg(estimates, 1 / classes if classes else None)
    return Drawing("forest", svg, f"Forest plot of UAR in percent: {words}")


def kind_of(record: Row) -> str:
    """Whether a row's architecture was searched, drawn at random, or neither: one of `figures.KINDS`."""
    from fernas.reporting.figures import KINDS

    searched, random, fixed = KINDS
    if str(record["search"] or record["method"]).startswith("random"):
        return random
    taken = str(record["search"]) == "taken"  # from another run, which searched
    return fixed if record["search_scope"] == "no_data" or (record["search_macs"] == 0 and not taken) else searched


def ranks_drawing(ranks: Mapping[str, Any]) -> Drawing | None:
    """The critical-difference image, where there are datasets enough."""
    if not ranks.get("available"):
        return None
    from fernas.reporting.figures import ranks_svg

    ordered = sorted(ranks["ranks"].items(), key=lambda item: item[1])
    words = ", ".join(f"{name} {rank:.2f}" for name, rank in ordered)
    test = f"Friedman's p {p_value(ranks['p'])}, critical difference {ranks['critical_difference']:.2f}"
    test += f"; left out: {', '.join(ranks['left_out'])}" if ranks["left_out"] else ""
    test += f"; {RENDERED_NOTE}" if ranks["rendered"] else ""
    return Drawing("ranks", ranks_svg(ranks), f"Mean ranks over {ranks['datasets']} datasets: {words}. {test}", test)


def task_classes(results: Path, record: Row, study: Study) -> list[str]:
    """The classes of a row's task, from its fold file or the config."""
    return list(folds_document(results, record).get("classes") or study.tasks[str(record["task"])].section.classes)
