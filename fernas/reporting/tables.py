"""The comparison of all methods: one row per task, protocol, method and scope, as a frame, csv, markdown and LaTeX."""

import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import composites, grid, plugins
from fernas.core.config import MethodConfig, StudyConfig
from fernas.core.errors import FernasError
from fernas.core.io import atomic_path, canonical_json, read_parquet, write_text
from fernas.reporting.formats import (
    escape_markdown,
    markdown_table,
    missing,
    percent,
    records_of,
    score_text,
    short_count,
    task_groups,
    write_forms,
)
from fernas.reporting.statistics import (
    Statistics,
    entropy_text,
    gap_text,
    kept_statistics,
    p_text,
    run_name,
    skips_pair,
    write_statistics,
)
from fernas.reporting.tree import (
    RENDERED_NOTE,
    RENDERED_SUFFIX,
    MethodRun,
    TrainRun,
    costs,
    method_runs,
    number,
    optional_json,
)
from fernas.study import Study

COLUMNS = (
    "dataset", "task", "protocol", "method", "search", "space", "recipe", "search_scope", "seed_count", "folds",
    "status", "reason", "accuracy", "uf1", "uar", "uar_low", "uar_high", "interval_unit", "params", "macs",
    "search_macs", "core_s", "extra_data", "leaks", "oracle_uar", "rendered",
)  # fmt: skip
SCORES = ("accuracy", "uf1", "uar")
SCOPE_LEAKS = {
    "whole_matched": "search saw test subjects (as many subjects as the pool of a group)",
    "whole_dataset": "search saw the test subjects",
    "published": "search pools as published, by position",
}
ORACLE_LEAK = "oracle_uar alone: its epoch is chosen on the test side"


def comparison(results: Path | str, config: StudyConfig | None = None, write: bool = True) -> pd.DataFrame:
    """One row per method run with the columns of `COLUMNS`; failed and skipped methods are rows with their reason.

    Args:
        results: the results folder.
        config: the study; its grid decides the rows. Without one, the rows are what the folder holds.
        write: also write `comparison.csv` and `comparison.md` into the results folder.
    """
    root = Path(results)
    rows = [_row(root, run, config) for run in _expected(root, config)]
    if config is not None:
        _sum_members(config, rows)
        rows += _skipped_rows(config, rows)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {
            "seed_count": "Int64",
            "folds": "Int64",
            "params": "Int64",
            **dict.fromkeys((*SCORES, "oracle_uar"), "float64"),
        }
    )
    if write:
        _write(root, frame, config, root / "comparison.csv", root / "comparison.md")
    return frame


def write_comparison(results: Path, config: StudyConfig | None, csv: Path, markdown: Path) -> pd.DataFrame:
    """The comparison, written as csv and as markdown, and every table in `results/tables`."""
    frame = comparison(results, config, write=False)
    found = _write(Path(results), frame, config, csv, markdown)
    write_tables(Path(results), frame, found)
    write_statistics(Path(results), found)
    return frame


def _write(results: Path, frame: pd.DataFrame, config: StudyConfig | None, csv: Path, markdown: Path) -> Statistics:
    with atomic_path(csv) as path:
        frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    found = kept_statistics(results, frame, config)
    write_text(markdown, comparison_markdown(frame, captions(results, frame), found))
    return found


def _expected(results: Path, config: StudyConfig | None) -> list[MethodRun]:
    if config is None:
        return list(method_runs(results))
    found = []
    study = {(run.task, run.protocol) for run in grid.runs(config)}
    for run in grid.runs(config, named=True):
        folder = results / "runs" / run.task_folder.name / run.protocol / run.method / run.scope
        if (run.task, run.protocol) not in study and not folder.exists():
            continue  # runs only when its dataset is named, and was not
        found.append(MethodRun(run.task_folder.name, run.protocol, run.method, run.scope, folder))
    return found


def _row(results: Path, run: MethodRun, config: StudyConfig | None) -> dict[str, Any]:
    trainings = run.trainings
    scored = [(training, optional_json(training.folder / "scores.json")) for training in trainings]
    scored = [(training, scores) for training, scores in scored if number(scores, "uar") is not None]
    status, reason = run_status(run, len(scored))
    if status == "ok":
        reason = constant_note([scores for _, scores in scored])
    complexity = run_complexity(run)
    method = config.methods.get(run.method) if config is not None else None
    row: dict[str, Any] = {
        "dataset": _dataset(run, config),
        "task": run.task,
        "protocol": run.protocol,
        "method": run.method,
        "search": method.search if method else "",
        "space": (method.space or "") if method else _space(run),
        "recipe": method.recipe if method else "",
        "search_scope": run.scope,
        "seed_count": len(scored),
        "folds": fold_count(results, run, scored),
        "status": status,
        "reason": reason,
        "interval_unit": next((str(s["interval_unit"]) for _, s in scored if s.get("interval_unit")), ""),
        "params": None if complexity["params"] is None else round(complexity["params"]),
        "macs": complexity["macs"],
        "search_macs": _search_macs(run),
        "core_s": _core_seconds(run),
        "extra_data": grid.extra_data(method) if method else False,
        "leaks": "; ".join([*leaks(results, run), *_inherited_leaks(run, method)]),
        "rendered": run.rendered,
        "oracle_uar": None,
    }
    oracles = [value for _, scores in scored if (value := number(scores.get("oracle") or {}, "uar")) is not None]
    if status == "ok" and oracles:
        row["oracle_uar"] = float(np.mean(oracles))
        row["leaks"] = "; ".join(filter(None, [row["leaks"], ORACLE_LEAK]))
    for name in SCORES:
        values = [value for _, scores in scored if (value := number(scores, name)) is not None]
        row[name] = float(np.mean(values)) if status == "ok" and values else np.nan
    low, high = interval(scored, config) if status == "ok" else (np.nan, np.nan)
    return row | {"uar_low": low, "uar_high": high}


def _inherited_leaks(run: MethodRun, method: MethodConfig | None) -> list[str]:
    """What the search of another run on the same task implies for a run that takes its architecture."""
    source = method.init_from if method is not None else None
    if source is None or source.task != run.task or source.scope not in SCOPE_LEAKS:
        return []
    return [f"{source.method}: {SCOPE_LEAKS[source.scope]}"]


def run_status(run: MethodRun, scored: int) -> tuple[str, str]:
    """("ok" | "failed" | "skipped", reason) of a method run from the status files of its jobs."""
    jobs = [(f"search s{s.search_seed} g{s.group}", s.folder) for s in run.searches]
    for training in run.trainings:
        name = f"s{training.search_seed} t{training.train_seed}"
        jobs += [(f"training {name} shard {shard.shard}", shard.folder) for shard in training.shards]
        jobs.append((f"scores {name}", training.folder))
    statuses = [(name, optional_json(folder / "status.json")) for name, folder in jobs]
    for wanted in ("failed", "skipped"):
        for name, status in statuses:
            if status.get("status") == wanted:
                reason = str(status.get("reason") or "no reason recorded")
                return wanted, reason if wanted == "skipped" else f"{name}: {reason}"
    for name, status in statuses:
        if status.get("status") == "killed":
            return "failed", f"{name}: killed; run again to continue"
    missing = [training for training in run.trainings if not (training.folder / "scores.json").is_file()]
    if scored and not missing:
        return "ok", ""
    if statuses:
        return "skipped", "not finished: run again to continue"
    return "skipped", "not run yet"


def constant_note(scores: Sequence[dict[str, Any]]) -> str:
    """A remark on repetitions that answer nearly always the same, over all or within whole folds."""
    found = [s.get("top_prediction") or {} for s in scores if s.get("constant_predictor")]
    if found:
        names = ", ".join(sorted({str(top.get("class", "one class")) for top in found}))
        return f"constant predictor in {len(found)} of {len(scores)} seeds: {names}"
    constant, folds = sum(len(s.get("constant_folds") or []) for s in scores), sum(s.get("folds", 0) for s in scores)
    return f"one class for all samples in {constant} of {folds} folds" if constant else ""


def fold_count(results: Path, run: MethodRun, scored: Sequence[tuple[TrainRun, dict[str, Any]]] = ()) -> int | None:
    """The number of folds, from the fold file or the scores."""
    document = optional_json(results / "tasks" / run.task_dir / run.protocol / "folds.train.json")
    if "folds" in document:
        return len(document["folds"])
    for _, scores in scored:
        if (folds := number(scores, "folds")) is not None:
            return int(folds)
    return None


def leaks(results: Path, run: MethodRun) -> list[str]:
    """What of the test side a run may have seen: the audit's findings and what its search scope implies."""
    audit = optional_json(results / "tasks" / run.task_dir / run.protocol / "audit.json")
    found = audit.get("leaks") or []
    texts = [f"{key}: {value}" for key, value in found.items()] if isinstance(found, dict) else [str(x) for x in found]
    if run.scope in SCOPE_LEAKS:
        texts.append(SCOPE_LEAKS[run.scope])
    if len(texts) > 3:
        texts = [*texts[:2], f"and {len(texts) - 2} more (audit.json)"]
    return texts


def interval(
    scored: Sequence[tuple[TrainRun, dict[str, Any]]], config: StudyConfig | None = None
) -> tuple[float, float]:
    """The interval of the pooled UAR; with several seeds, resampled subjects bring all their seeds along."""
    if len(scored) == 1:
        return _interval_of(scored[0][1])
    if len(scored) > 1:
        from fernas.scoring.scores import score_seeds

        try:
            frames = [read_parquet(training.folder / "predictions.parquet") for training, _ in scored]
        except FernasError:
            return np.nan, np.nan
        classes = [column.removeprefix("p_") for column in frames[0].columns if column.startswith("p_")]
        options: dict[str, Any] = config.scoring.model_dump() if config is not None else {}
        try:
            return _interval_of(score_seeds(frames, classes, **options))
        except FernasError:  # seeds of different folds, in the middle of a changed study
            return np.nan, np.nan
    return np.nan, np.nan


def _interval_of(scores: dict[str, Any]) -> tuple[float, float]:
    pair = (scores.get("interval") or {}).get("uar")
    return (float(pair[0]), float(pair[1])) if pair and None not in pair else (np.nan, np.nan)


def run_complexity(run: MethodRun) -> dict[str, float | None]:
    """Mean parameters and multiply-accumulates of the networks a run found, at the task's class count."""
    found: dict[str, list[float]] = defaultdict(list)
    for search in run.searches:
        for name, value in _counted(search.folder / "architecture.json").items():
            found[name].append(value)
    return {name: float(np.mean(found[name])) if found[name] else None for name in ("params", "macs")}


def _counted(path: Path) -> dict[str, float]:
    """Complexity counted from an architecture file, or nothing where it holds no network."""
    document = optional_json(path)
    return _complexity(canonical_json(document)) if document.get("network") else {}


@functools.lru_cache(maxsize=4096)
def _complexity(document: str) -> dict[str, float]:
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import macs, params

    try:
        architecture = parse_architecture(json.loads(document))
        return {"params": params(architecture), "macs": macs(architecture)}
    except FernasError:
        return {}


def _sum_members(config: StudyConfig, rows: list[dict[str, Any]]) -> None:
    """An ensemble costs what all trained repetitions of its members cost together; a search counts once."""
    by_run = {(row["task"], row["protocol"], row["method"], row["search_scope"]): row for row in rows}
    for row in rows:
        if not config.methods[row["method"]].combine:
            continue
        members = grid.member_runs(config, row["method"], row["search_scope"])
        for name in ("params", "macs", "core_s", "search_macs"):
            counted = {(m, scope, s) for m, scope, s, _ in members} if name == "search_macs" else members
            parts = [by_run.get((row["task"], row["protocol"], *key[:2]), {}).get(name) for key in counted]
            row[name] = None if None in parts else sum(parts)


def _dataset(run: MethodRun, config: StudyConfig | None) -> str:
    if config is not None and run.task in config.tasks:
        return config.tasks[run.task].dataset
    return run.task.rsplit("-", 1)[0]


def _space(run: MethodRun) -> str:
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        if document:
            return str(document.get("space") or document.get("name") or document.get("kind", ""))
    return ""


def _per_seed(run: MethodRun, stage: str, keys: tuple[str, ...]) -> float | None:
    """Sum of a cost over the jobs of a stage, per repetition of that stage."""
    values = [value for where, cost in costs(run) if where == stage and (value := number(cost, *keys)) is not None]
    if not values:
        return None
    repetitions = len({s.search_seed for s in run.searches}) if stage == "search" else len(run.trainings)
    return float(sum(values)) / max(1, repetitions)


def _search_macs(run: MethodRun) -> float | None:
    """What a repetition spent on choosing: its searches, and the learning rates that were tried and not kept."""
    searched, tuned = _per_seed(run, "search", ("macs",)), _per_seed(run, "training", ("choice_macs",))
    return tuned if searched is None else searched + (tuned or 0.0)


def _core_seconds(run: MethodRun) -> float | None:
    parts = [_per_seed(run, stage, ("core_s",)) for stage in ("search", "training")]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _skipped_rows(config: StudyConfig, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for what the study does not run: tasks without a dataset, and configured methods that no entry names.

    Tasks that run only when their dataset is named have rows once something of theirs has run.
    """
    reasons = dict(grid.skipped(config))
    have = {(row["task"], row["protocol"], row["method"]) for row in rows}
    started = {(row["task"], row["protocol"]) for row in rows}
    blocks = dict.fromkeys(
        (e.task, e.protocol) for e in config.study if e.when == "all" or (e.task, e.protocol) in started
    )
    found = []
    for task, protocol in blocks:
        listed = {m for e in config.study if (e.task, e.protocol) == (task, protocol) for m in e.methods}
        for name, method in config.methods.items():
            if (task, protocol, name) in have or (task in reasons and name not in listed):
                continue
            misfit = Study.of(config).misfit(task, name)
            reason = (
                reasons.get(task)
                or (f"not in this study: {misfit}" if misfit else "")
                or f"not in this study: add {name} to the methods of study entry {task}, {protocol}"
            )
            row = dict.fromkeys(COLUMNS)
            found.append(
                row
                | {
                    "dataset": config.tasks[task].dataset,
                    "task": task,
                    "protocol": protocol,
                    "method": name,
                    "search": method.search,
                    "space": method.space or "",
                    "recipe": method.recipe,
                    "search_scope": "",
                    "seed_count": 0,
                    "status": "skipped",
                    "reason": reason,
                    "interval_unit": "",
                    "extra_data": grid.extra_data(method),
                    "leaks": "",
                    "rendered": composites.is_rendered(config, config.tasks[task].dataset),
                }
            )
    return found


def captions(results: Path, frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(task, protocol) -> caption: how many subjects of how many, and whether the faces are rendered."""
    found = {}
    for task, protocol, block in task_groups(frame):
        rendered = bool(block["rendered"].any())
        task_dir = task + (RENDERED_SUFFIX if rendered else "")
        count = subject_count(results, task_dir, protocol)
        text = subject_caption(str(block["dataset"].iloc[0]), count, rendered)
        found[(task, protocol)] = "; ".join(part for part in (text, protocol_note(results, task_dir, protocol)) if part)
    return found


def protocol_note(results: Path, task_dir: str, protocol: str) -> str:
    """What a reader must know of a split: that it copies a published one that leaks, or which datasets it splits."""
    document = optional_json(results / "tasks" / task_dir / protocol / "folds.train.json")
    told = document.get("replica") or document.get("kind") in ("cross_dataset", "leave_one_dataset_out")
    return str(document.get("note") or "") if told else ""


def subject_count(results: Path, task_dir: str, protocol: str) -> int | None:
    """How many subjects a task has, from its fold file."""
    table = optional_json(results / "tasks" / task_dir / protocol / "folds.train.json").get("table")
    subjects = set()
    for value in (table or {}).values():
        subject = value.get("subject") if isinstance(value, dict) else value
        if subject is not None:
            subjects.add(str(subject))
    return len(subjects) or None


def subject_caption(dataset: str, count: int | None, rendered: bool) -> str:
    """For example `12 of 68 subjects, rendered`; rendered faces are always said to be no evidence about people."""
    official = official_subjects(dataset)
    parts = []
    if count is not None:
        parts.append(f"{count} of {official} subjects" if official else f"{count} subjects")
    if rendered:
        parts.append("rendered")
    text = ", ".join(parts)
    return f"{text} ({RENDERED_NOTE})" if rendered else text


def official_subjects(dataset: str) -> int | None:
    """The number of subjects of the published dataset, where its adapter states it."""
    try:
        return plugins.load("datasets", dataset).spec.subjects
    except FernasError:
        return None


def notes(record: dict[str, Any]) -> str:
    """The flags and the reason of a row in words."""
    parts = [str(record["reason"])] if record.get("reason") else []
    extra = record.get("extra_data")
    if isinstance(extra, str) and extra:
        parts.append(f"extra data: {extra}")
    elif extra is True:
        parts.append("extra data")
    parts += [f"leaks: {record['leaks']}"] if record.get("leaks") else []
    parts += [f"oracle UAR {percent(record['oracle_uar'])}"] if not missing(record.get("oracle_uar")) else []
    return "; ".join(parts)


MARKDOWN_COLUMNS = (
    "method", "scope", "status", "UAR [95 %]", "to the best", "p Holm", "UF1", "accuracy", "params", "MACs",
    "search MACs", "core-s", "seeds", "entropy", "skips", "notes",
)  # fmt: skip


def display_rows(block: pd.DataFrame, found: Statistics | None = None) -> list[tuple[str, ...]]:
    """The rows of one task as short texts, in the order of `MARKDOWN_COLUMNS`, best UAR first."""
    statistics = found or Statistics()
    ordered = block.sort_values(["uar", "method"], ascending=[False, True], na_position="last", kind="stable")
    records = records_of(ordered)
    against = statistics.against_best(records)
    rows: list[tuple[str, ...]] = []
    for record in records:
        pair, health = against.get(run_name(record, records)), statistics.health_of(record)
        rows.append(
            (
                str(record["method"]),
                str(record["search_scope"] or "-"),
                str(record["status"]),
                score_text(record),
                "-" if pair is None else gap_text(-pair["difference"]),
                "-" if pair is None else p_text(pair["swap_p_holm"]),
                percent(record["uf1"]),
                percent(record["accuracy"]),
                short_count(record["params"]),
                short_count(record["macs"]),
                short_count(record["search_macs"]),
                short_count(record["core_s"]),
                str(record["seed_count"]),
                "-" if health is None else entropy_text(health),
                "-" if health is None else skips_pair(health),
                "; ".join(filter(None, [notes(record), health["warnings"] if health is not None else ""])),
            )  # fmt: skip
        )
    return rows


def comparison_markdown(frame: pd.DataFrame, texts: dict[tuple[str, str], str], found: Statistics | None = None) -> str:
    """The comparison as markdown: one table per task and protocol under its caption."""
    parts = ["# Comparison\n"]
    if frame.empty:
        parts.append("Nothing has been run yet.\n")
    if bool(frame["rendered"].any()):
        parts.append(f"**Tables marked rendered: {RENDERED_NOTE}.**\n")
    for task, protocol, block in task_groups(frame):
        parts.append(f"## {escape_markdown(task)} · {escape_markdown(protocol)}\n")
        if texts.get((task, protocol)):
            parts.append(f"{texts[(task, protocol)]}\n")
        parts.append(markdown_table(MARKDOWN_COLUMNS, display_rows(block, found)))
    parts.append(
        "Scores in percent, pooled over all test samples, mean over seeds; best UAR first. p Holm: swap test of whole "
        "subjects against the best, adjusted over all pairs of the task (tables/paired.csv). Entropy of alpha in nats, "
        "first to last epoch; skips of the found normal and reduction cell.\n"
    )
    return "\n".join(parts)


def write_tables(results: Path, frame: pd.DataFrame, found: Statistics | None = None) -> list[Path]:
    """Each task's table as csv, markdown and LaTeX in `results/tables`; the paths written."""
    written = []
    texts = captions(results, frame)
    for task, protocol, block in task_groups(frame):
        caption = f"{task}, {protocol}" + (f": {texts[(task, protocol)]}" if texts[(task, protocol)] else "")
        stem = results / "tables" / f"{task}-{protocol}"
        printed = display_rows(block[block["status"] != "skipped"], found)
        written += write_forms(stem, block, MARKDOWN_COLUMNS, display_rows(block, found), caption, printed)
    return written
