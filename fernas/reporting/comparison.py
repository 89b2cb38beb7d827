"""The comparison: one row per task, protocol, method and scope.

It is computed here once, from the small files of the jobs, and written by `fernas.reporting.compare`. The rows come
from the study, so that a method that failed or was skipped has a row with its reason.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import plugins
from fernas.metrics import HEADLINE, all_metrics
from fernas.reporting import run_facts
from fernas.reporting.captions import Captions
from fernas.reporting.formats import (
    fixed,
    gap,
    missing,
    optional,
    p_value,
    percent,
    records_of,
    rows_of,
    score,
    short_count,
    spaced,
    task_groups,
)
from fernas.reporting.run_facts import Scored
from fernas.reporting.statistics import (
    HEALTH_KEYS,
    SIGNIFICANT,
    Statistics,
    agreement_text,
    entropy_text,
    finished,
    run_name,
    skips_pair,
    winner,
)
from fernas.reporting.stored import RENDERED_NOTE, RunFiles, number, stored_run
from fernas.reporting.table import FILES, Column, Row, Table, escape_markdown
from fernas.study import Study
from fernas.study.runs import extra_data, inherited_leaks, replicas

BOUNDS = (f"{HEADLINE}_low", f"{HEADLINE}_high")
IDENTITY = (
    "dataset", "task", "protocol", "method", "search", "space", "recipe", "search_scope", "seed_count", "folds",
    "status", "reason",
)  # fmt: skip
COSTS = (
    "interval_unit", "params", "macs", "search_macs", "core_s", "extra_data", "leaks", "oracle_uar", "rendered",
)  # fmt: skip
ORACLE_LEAK = "oracle_uar alone: its epoch is chosen on the test split"


def score_columns() -> list[str]:
    """The metrics in their order; the bounds of the confidence interval follow the headline metric."""
    return [
        column for metric in all_metrics() for column in (metric.name, *(BOUNDS if metric.name == HEADLINE else ()))
    ]


def csv_columns() -> list[str]:
    """The columns of comparison.csv."""
    return [*IDENTITY, *score_columns(), *COSTS]


def comparison(results: Path, study: Study) -> pd.DataFrame:
    """One row per method run with the columns of `csv_columns`; failed and skipped methods are rows with their reason.

    Args:
        results: the results folder.
        study: decides the rows.
    """
    rows = [_row(results, run, study) for run in _expected(results, study)]
    _sum_members(study, rows)
    _note_budgets(study, rows)
    rows += _skipped_rows(study, rows)
    numbers = (*score_columns(), "macs", "search_macs", "core_s", "oracle_uar")
    types = dict.fromkeys(("seed_count", "folds", "params"), "Int64") | dict.fromkeys(numbers, "float64")
    return pd.DataFrame(rows, columns=csv_columns()).astype(types)


def _expected(results: Path, study: Study) -> list[RunFiles]:
    always = {(run.task, run.protocol) for run in study.runs()}
    stored = [stored_run(results, run) for run in study.runs(named=True)]
    # A task that runs only when its dataset is named has rows once something of it has run.
    return [run for run in stored if (run.task, run.protocol) in always or run.folder.exists()]


def _row(results: Path, run: RunFiles, study: Study) -> dict[str, Any]:
    scored = run_facts.scored_repetitions(run)
    status, reason = run_facts.run_status(run, len(scored))
    size = run_facts.run_complexity(run)
    key = (run.task, run.protocol, run.method, run.scope)
    if status == "ok":
        remarks = [*replicas(study, *key), run_facts.constant_note([scores for _, scores in scored])]
        reason = "; ".join(filter(None, remarks))
    row = {
        **_configured(study, run.task, run.protocol, run.method),
        "extra_data": str(extra_data(study, *key)),
        "search_scope": run.scope,
        "seed_count": len(scored),
        "folds": run_facts.fold_count(results, run, scored),
        "status": status,
        "reason": reason,
        "interval_unit": next((str(s["interval_unit"]) for _, s in scored if s.get("interval_unit")), ""),
        "params": None if size["params"] is None else round(size["params"]),
        "macs": size["macs"],
        "search_macs": run_facts.search_macs(run),
        "core_s": run_facts.core_seconds(run),
        "leaks": "; ".join([*run_facts.leaks(results, run), *inherited_leaks(study, *key)]),
    }
    return row | (_scores(row, scored, study) if status == "ok" else {})


def _configured(study: Study, task: str, protocol: str, method: str) -> dict[str, Any]:
    """What the config alone says of a row."""
    options = study.methods[method]
    return {
        "dataset": study.tasks[task].dataset.name,
        "task": task,
        "protocol": protocol,
        "method": method,
        "search": options.search,
        "space": options.space or "",
        "recipe": options.recipe,
        "extra_data": str(options.recipe_options.get("trained_on") or options.extra_data),
        "rendered": study.tasks[task].is_rendered,
    }


def _scores(row: Row, scored: Scored, study: Study) -> dict[str, Any]:
    """The scores of a finished run, means over its repetitions."""

    def mean(documents: list[dict[str, Any]], name: str) -> float | None:
        values = [value for document in documents if (value := number(document, name)) is not None]
        return float(np.mean(values)) if values else None

    documents = [scores for _, scores in scored]
    low, high = run_facts.confidence_interval(scored, study.config.scoring.model_dump())
    scores = {metric.name: mean(documents, metric.name) for metric in all_metrics()}
    scores |= dict(zip(BOUNDS, (low, high), strict=True))
    oracle = mean([document.get("oracle") or {} for document in documents], HEADLINE)
    if oracle is None:
        return scores
    return scores | {"oracle_uar": oracle, "leaks": "; ".join(filter(None, [row["leaks"], ORACLE_LEAK]))}


def _sum_members(study: Study, rows: list[dict[str, Any]]) -> None:
    """An ensemble costs what all trained repetitions of its members cost together; a search counts once."""
    by_run = {(row["task"], row["protocol"], row["method"], row["search_scope"]): row for row in rows}
    for row in rows:
        if not study.methods[row["method"]].combine:
            continue
        members = study.members_of(row["method"], row["search_scope"])
        for name in ("params", "macs", "core_s", "search_macs"):
            counted = {(m, scope, s) for m, scope, s, _ in members} if name == "search_macs" else members
            parts = [by_run.get((row["task"], row["protocol"], *key[:2]), {}).get(name) for key in counted]
            row[name] = None if None in parts else sum(parts)


def _note_budgets(study: Study, rows: list[dict[str, Any]]) -> None:
    """The reason of a row whose search has the budget of another (`budget_from`) says what share of it was spent."""
    by_run = {(row["task"], row["protocol"], row["method"], row["search_scope"]): row for row in rows}
    for row in rows:
        source = study.methods[row["method"]].budget_from
        reference = by_run.get((row["task"], row["protocol"], source, row["search_scope"]), {})
        if row["status"] == "ok" and row["search_macs"] and reference.get("search_macs"):
            share = f"search spent {percent(row['search_macs'] / reference['search_macs'])} % of the MACs of {source}"
            row["reason"] = "; ".join(filter(None, [row["reason"], share]))


def _skipped_rows(study: Study, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for what the study does not run: tasks without a dataset, and configured methods that no entry names.

    Tasks that run only when their dataset is named have rows once something of theirs has run.
    """
    reasons = dict(study.skipped)
    entries = study.config.study
    have = {(row["task"], row["protocol"], row["method"]) for row in rows}
    started = {(row["task"], row["protocol"]) for row in rows}
    blocks = dict.fromkeys((e.task, e.protocol) for e in entries if e.when == "all" or (e.task, e.protocol) in started)
    skipped = []
    for task, protocol in blocks:
        listed = {m for e in entries if (e.task, e.protocol) == (task, protocol) for m in e.methods}
        for name in study.methods:
            if (task, protocol, name) in have or (task in reasons and name not in listed):
                continue
            remedy = study.misfit(task, name) or f"add {name} to the methods of study entry {task}, {protocol}"
            skipped.append(
                {
                    **_configured(study, task, protocol, name),
                    "search_scope": "",
                    "seed_count": 0,
                    "status": "skipped",
                    "reason": reasons.get(task) or f"not in this study: {remedy}",
                    "interval_unit": "",
                    "leaks": "",
                }
            )
    return skipped


# ------------------------------------------------------------------------------------------------ the table of a task


def _metric_columns() -> list[Column]:
    """The metrics beside the headline one; those that can be negative are no percentages."""
    return [
        Column(
            metric.name,
            f"{metric.title}, %" if metric.lowest >= 0 else metric.title,
            percent if metric.lowest >= 0 else fixed(2),
            about=_first_line(metric.name),
        )
        for metric in all_metrics()
        if metric.name != HEADLINE
    ]


def _first_line(metric: str) -> str:
    """What the file of a metric says first."""
    text = importlib.import_module(plugins.module_name("metrics", metric)).__doc__ or ""
    return text.partition("\n")[0].rstrip(".")


def _to_best(row: Row) -> str:
    """Colour of the distance to the best method: whether it is statistically significant."""
    if missing(row["to_best"]) or row["is_best"]:
        return "text"
    return "sure" if row["p_holm"] < SIGNIFICANT else "open"


def _to_best_text(difference: Any, p: Any, is_best: Any) -> str:
    return "best" if is_best else "-" if missing(difference) else f"{gap(difference)} (p {p_value(p)})"


def _search_text(entropy_end: Any, *values: Any) -> str:
    health = dict(zip(HEALTH_KEYS, (entropy_end, *values), strict=True))
    parts = {
        "entropy": entropy_text(health["entropy_start"], entropy_end),
        "skips": skips_pair(health["skips_normal"], health["skips_reduce"]),
        "eigenvalue": "-" if missing(health["curvature"]) else f"{health['curvature']:.3g}",
        "tau": agreement_text(*(health[key] for key in ("kendall", "kendall_low", "kendall_high", "agreement_cells"))),
    }
    return "; ".join(f"{name} {text}" for name, text in parts.items() if text != "-") or "-"


def table_columns() -> tuple[Column, ...]:
    """What a task's table shows."""
    return (
        Column("method", style="name", forms=FILES),
        Column("method", style="name", forms="html", below="scope", flag="notes"),
        Column("search_scope", "scope", forms=FILES),
        Column("status", forms=FILES),
        Column("uar", "UAR [95 % CI]", score, ("uar_low", "uar_high"), forms=FILES),
        Column(
            "uar", "UAR, %", score, ("uar_low", "uar_high"), forms="html", style="uar",
            bar=("uar", "uar_low", "uar_high", "chance"),
            about="unweighted average recall with its 95 % confidence interval, pooled over all test samples, "
            "mean over seeds",
        ),
        Column("to_best", "to the best", lambda gap_, best: "-" if best else gap(gap_), ("is_best",), forms=FILES),
        Column("p_holm", "p Holm", p_value, forms=FILES),
        Column(
            "to_best", "to the best", _to_best_text, ("p_holm", "is_best"), forms="html", style=_to_best,
            about="UAR minus that of the best in percentage points; p of the paired permutation test, "
            "Holm-adjusted",
        ),
        *_metric_columns(),
        Column("params", "params", short_count, about="parameters of the trained network"),
        Column("macs", "MACs", short_count, about="multiply-accumulates of one forward pass of one image"),
        Column(
            "search_macs", "search MACs", short_count,
            about="what the search spent per search seed, backward passes counted twice",
        ),
        Column("core_s", "core-s", short_count, about="measured core-seconds of search and training per seed"),
        Column("seed_count", "seeds", about="repetitions that were scored"),
        Column("entropy_end", "entropy", lambda end, start: entropy_text(start, end), ("entropy_start",), forms=FILES),
        Column("skips_normal", "skips", skips_pair, ("skips_reduce",), forms=FILES),
        Column(
            HEALTH_KEYS[0], "search", _search_text, HEALTH_KEYS[1:], forms="html", style="text",
            about="entropy of alpha in percent of uniform, first to last epoch; skips of the normal + reduction cell",
        ),
        Column("notes", text=optional, forms=FILES),
    )  # fmt: skip


def comparison_table(
    frame: pd.DataFrame, task: str, protocol: str, caption: str, statistics: Statistics, classes: int = 0
) -> Table:
    """The table of one task under one protocol, best UAR first.

    Args:
        frame: the comparison.
        task: a task of the frame.
        protocol: its protocol.
        caption: what `captions` says of it.
        statistics: the study's statistics.
        classes: the number of classes; gives the chance level.
    """
    records = task_records(frame, task, protocol)
    against, best, good = statistics.against_best(records), winner(records), finished(records)
    for record in records:
        pair = against.get(run_name(record, good)) if record["status"] == "ok" else None
        health = statistics.health_of(record)
        record |= {
            "scope": spaced(record["search_scope"]),
            "chance": 1 / classes if classes else np.nan,
            "is_best": record is best,
            "to_best": 0.0 if record is best else None if pair is None else 0.0 - pair["difference"],
            "p_holm": None if pair is None else pair["permutation_p_holm"],
            "notes": "; ".join(filter(None, [notes(record), str(health.get("warnings") or "")])),
            **{key: health.get(key) for key in HEALTH_KEYS},
        }
    extra = ["scope", "chance", "is_best", "to_best", "p_holm", "notes", *HEALTH_KEYS]
    return Table(
        name=f"{task}-{protocol}",
        caption=f"{task}, {protocol}" + (f": {caption}" if caption else ""),
        columns=table_columns(),
        frame=pd.DataFrame(records, columns=[*frame.columns, *extra]),
        data=tuple(frame.columns),
        is_short=lambda row: row["status"] != "skipped",
        is_first=lambda row: bool(row["is_best"]),
        status="status",
        reason="notes",
        sorted_by="uar",
    )


def task_records(frame: pd.DataFrame, task: str, protocol: str) -> list[dict[str, Any]]:
    """The rows of one task under one protocol, best UAR first."""
    block = rows_of(frame, task, protocol)
    return records_of(block.sort_values(["uar", "method"], ascending=[False, True], na_position="last", kind="stable"))


def notes(record: Row) -> str:
    """The flags and the reason of a row in words."""
    parts = [str(record["reason"])] if record["reason"] else []
    if record["extra_data"] == "True":
        parts.append("extra data")
    elif record["extra_data"] not in ("False", ""):
        parts.append(f"extra data: {record['extra_data']}")
    parts += [f"leaks: {record['leaks']}"] if record["leaks"] else []
    parts += [] if missing(record["oracle_uar"]) else [f"oracle UAR {percent(record['oracle_uar'])}"]
    return "; ".join(parts)


def comparison_markdown(frame: pd.DataFrame, captions: Captions, statistics: Statistics) -> str:
    """The comparison as markdown: one table per task and protocol under its caption."""
    parts = ["# Comparison\n"]
    if frame.empty:
        parts.append("Nothing has been run yet.\n")
    if bool(frame["rendered"].any()):
        parts.append(f"**Tables marked rendered show {RENDERED_NOTE}.**\n")
    for task, protocol, _ in task_groups(frame):
        caption = captions[(task, protocol)]
        parts.append(f"## {escape_markdown(task)} · {escape_markdown(protocol)}\n")
        parts += [f"{caption}\n"] if caption else []
        parts.append(comparison_table(frame, task, protocol, caption, statistics).markdown())
    parts.append(
        "Scores in percent, pooled over all test samples, mean over seeds; best UAR first. p Holm: paired permutation "
        "test against the best, adjusted over all pairs of the task (tables/paired.csv). Entropy of "
        "alpha in percent of uniform, first to last epoch; skips of the searched normal and reduction cell.\n"
    )
    return "\n".join(parts)
