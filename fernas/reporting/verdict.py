"""The summary: who leads a task, whether that is statistically significant, and the matrix of methods and tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fernas.reporting.comparison import task_records
from fernas.reporting.formats import listed, missing, p_value, percent, short_count, task_groups, uar_text
from fernas.reporting.statistics import SIGNIFICANT, Statistics, finished, is_clean, run_name, winner
from fernas.reporting.stored import RENDERED_NOTE
from fernas.reporting.table import Column, Row, Table

Pairs = Mapping[str, Mapping[str, Any]]  # name of a method -> its paired tests against the best


def lead(records: list[dict[str, Any]], chance: float, against: Pairs | None = None) -> str:
    """Who leads, by how much, whether that is significant, and which method costs least among the equals.

    Args:
        records: the rows of one task, best UAR first.
        chance: the UAR of a constant prediction.
        against: name -> paired tests of the best against it; without them the confidence intervals decide.
    """
    first = winner(records)
    if first is None:
        return "No method has finished."
    every = finished(records)
    clean = is_clean(first)
    good = [record for record in every if not clean or is_clean(record)]
    text = f"{first['method']} has the highest UAR, {uar_text(first)} %"
    remarks = ([f"chance {percent(chance)} %"] if np.isfinite(chance) else []) + _seeds(good)
    text += f" ({'; '.join(remarks)})" if remarks else ""
    if not missing(first["uar_low"]) and first["uar_low"] <= chance:
        return f"{text}; its confidence interval includes chance."
    names = [run_name(record, every) for record in good]
    tested = {name: pair for name, pair in (against or {}).items() if name in names}
    if tested:
        others = "every other method" + (" whose search saw no test subjects" if len(good) < len(every) else "")
        equal = [r for r, name in zip(good, names, strict=True) if r is first or not _is_worse(tested.get(name))]
        return f"{text}. {_tested(tested, others)}{_cheapest(first, equal, every)}"
    if len(good) == 1 or missing(first["uar_low"]):
        return f"{text}."
    near = [str(r["method"]) for r in good[1:] if not missing(r["uar_high"]) and r["uar_high"] >= first["uar_low"]]
    if near:
        return f"{text}. Its confidence interval overlaps that of {listed(near)}, so their order is not settled."
    return f"{text}, and its confidence interval overlaps no other."


def _seeds(records: Sequence[Row]) -> list[str]:
    """How many seeds stand behind the compared rows: the tests resample subjects, not seeds."""
    counts = sorted({int(record["seed_count"]) for record in records if not missing(record.get("seed_count"))})
    if not counts:
        return []
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return [f"{number} seed{'' if number == '1' else 's'} per method"]


def _is_worse(pair: Mapping[str, Any] | None) -> bool:
    """Whether a method is significantly worse than the best; one that was not tested takes no part in the verdict."""
    return pair is None or pair["permutation_p_holm"] < SIGNIFICANT


def _tested(against: Pairs, others: str) -> str:
    """What the paired tests of the best against all others (`others` in words) say."""
    worse = [name for name, pair in against.items() if _is_worse(pair)]
    equal = [name for name in against if name not in worse]
    second, pair = next(iter(against.items()))
    test = f"paired permutation test over {pair['units']} {pair['unit']}s, Holm-adjusted"
    ahead = (
        f"It is {100 * pair['difference']:.1f} percentage points ahead of {second} "
        f"({test} p {p_value(pair['permutation_p_holm'])})"
    )
    # Holm multiplies the smallest p of a family by its size: no adjusted p can be below this product.
    attainable = min(pair["permutation_smallest_p"] * pair["family"] for pair in against.values())
    if not equal:
        return f"{ahead} and significantly better than {others}."
    if attainable >= SIGNIFICANT:
        return f"{ahead}. So few {pair['unit']}s cannot settle an order among {pair['family']} pairs."
    if not worse:
        return f"{ahead}; no difference to the others is statistically significant."
    verb = "is" if len(equal) == 1 else "are"
    return (
        f"{ahead}. It is significantly better than {listed(worse)}; {listed(equal)} {verb} not significantly different."
    )


def _cheapest(first: Row, equal: Sequence[dict[str, Any]], every: Sequence[dict[str, Any]]) -> str:
    """The cheapest method that is not significantly worse than the best, where it is another one."""
    priced = [record for record in equal if not missing(record["core_s"])]
    if len(priced) < 2 or missing(first["core_s"]):
        return ""
    least = min(priced, key=lambda record: float(record["core_s"]))
    if least is first:
        return " It is also the cheapest of those."
    prices = [short_count(record["core_s"]) for record in (least, first)]
    return f" Cheapest of those: {run_name(least, every)}, {prices[0]} core-seconds against {prices[1]}."


def summary_table(frame: pd.DataFrame, statistics: Statistics) -> Table:
    """UAR of every finished method on every task; the scope of highest UAR where a method has several.

    The frame has, per task, a column of UARs and one (`... standing`) that says `best`, `worse` (significantly) or
    `equal` (not significantly different); nothing where a method was not tested.
    """
    good = frame[frame["status"] == "ok"]
    methods = list(dict.fromkeys(good.sort_values("uar", ascending=False)["method"]))
    columns: dict[str, list[Any]] = {"method": methods}
    shown = [Column("method", style="name")]
    names = []
    for task, protocol, block in task_groups(frame):
        name = f"{task}, {protocol}"
        rendered = " (rendered)" if bool(block["rendered"].any()) else ""
        records = finished(task_records(frame, task, protocol))
        rows = [winner([record for record in records if record["method"] == method]) for method in methods]
        columns[name] = [None if row is None else float(row["uar"]) for row in rows]
        columns[f"{name} standing"] = [_standing(row, records, statistics) for row in rows]
        shown.append(Column(name, text=percent, forms="md tex", style=_style(name)))
        shown.append(Column(name, task + rendered, percent, about=protocol, forms="html", style=_style(name)))
        names.append(name)
    note = f" ({RENDERED_NOTE})" if bool(frame["rendered"].any()) else ""
    caption = (
        "UAR in percent of every finished method. *: best of the task; worse: statistically significant, Holm-adjusted "
        f"p of the paired permutation test below {SIGNIFICANT}{note}"
    )
    return Table("summary", caption, tuple(shown), pd.DataFrame(columns), data=("method", *names))


def _style(name: str) -> Any:
    return lambda row: str(row[f"{name} standing"] or "num")


def _standing(record: dict[str, Any] | None, records: list[dict[str, Any]], statistics: Statistics) -> str:
    if record is None:
        return ""
    best = winner(records)
    if best is not None and run_name(record, records) == run_name(best, records):
        return "best"
    pair = statistics.against_best(records).get(run_name(record, records))
    return "" if pair is None else "worse" if _is_worse(pair) else "equal"
