"""The study's statistics: paired tests, what seeds contribute, optimism gap, ranks, search health."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import composites
from fernas.core.config import StudyConfig
from fernas.core.digest import code_digest
from fernas.core.errors import ContractError, DataError
from fernas.core.io import canonical_json, read_parquet, sha256_file, to_json, write_json, write_text
from fernas.reporting.formats import (
    missing,
    percent,
    records_of,
    rendered_folder,
    task_groups,
    write_forms,
)
from fernas.reporting.tree import RENDERED_NOTE, MethodRun, number, optional_json, optional_jsonl
from fernas.scoring.compare import compare_family, holm, optimism_gap
from fernas.scoring.health import MEASURES, Health, mean_health, search_health
from fernas.scoring.ranks import critical_difference, variance_components

logger = logging.getLogger(__name__)
KEPT = ".work/statistics.json"
SIGNIFICANT = 0.05
MATCHED, HONEST = "whole_matched", "per_group"
CLEAN_SCOPES = ("per_group", "no_data", "per_fold")
PAIRED = (
    "dataset", "task", "protocol", "rendered", "method_a", "method_b", "uar_a", "uar_b", "difference", "low", "high",
    "unit", "units", "swap_p", "swap_p_holm", "swap_smallest_p", "wilcoxon_p", "wilcoxon_p_holm",
    "wilcoxon_smallest_p", "mcnemar_p", "mcnemar_p_holm", "mcnemar_smallest_p", "mcnemar_reason", "d_z",
    "rank_biserial", "better", "equal", "worse", "family",
)  # fmt: skip
PAIRED_SHORT = (
    "task", "method a", "method b", "UAR a - b [95 %]", "p swap", "p Holm", "least p", "p Wilcoxon", "p McNemar",
    "d_z", "better / equal / worse",
)  # fmt: skip
VARIANCE = (
    "task", "protocol", "method", "search_scope", "searches", "trainings", "mean", "mean_se", "sd", "search_sd",
    "training_sd", "search_share", "reason", "rendered",
)  # fmt: skip
VARIANCE_SHORT = (
    "task", "method", "searches", "trainings", "SD of all", "SD of search seeds", "SD of training seeds",
    "share of search", "why not",
)  # fmt: skip
OPTIMISM = (
    "dataset", "task", "protocol", "method", "uar_whole_matched", "uar_per_group", "gap", "low", "high", "p",
    "p_holm", "smallest_p", "unit", "rendered",
)  # fmt: skip
OPTIMISM_SHORT = (
    "task", "method", "UAR, search saw all", "UAR, per group", "gap [95 %]", "p swap", "p Holm", "least p",
)  # fmt: skip
HEALTH = (
    "task", "protocol", "method", "search_scope", "searches", "entropy_start", "entropy_end", "skips_normal",
    "skips_reduce", "operations", "curvature", "kendall", "kendall_low", "kendall_high", "spearman", "agreement_cells",
    "uar", "warnings", "rendered",
)  # fmt: skip
HEALTH_SHORT = (
    "task", "method", "UAR", "entropy, nats", "skips normal", "skips reduction", "eigenvalue", "tau of ranks [95 %]",
    "warnings",
)  # fmt: skip


@dataclass
class Statistics:
    """What the study's runs say beyond their scores; rows are dictionaries with the keys of the tables' columns.

    Attributes:
        paired: one row per pair of methods of a task, the one of higher UAR first.
        left_out: why a finished method takes part in no test.
        variance: one row per method run.
        optimism: one row per method that ran in both scopes.
        ranks: what `critical_difference` says.
        health: one row per method run with a search history; `found` maps (task, protocol, method, scope) to it.
    """

    paired: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    variance: list[dict[str, Any]] = field(default_factory=list)
    optimism: list[dict[str, Any]] = field(default_factory=list)
    ranks: dict[str, Any] = field(default_factory=dict)
    health: list[dict[str, Any]] = field(default_factory=list)

    def against_best(self, records: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Name -> its paired tests against the task's best (`winner`), from the best's view.

        Args:
            records: the rows of one task, best UAR first.
        """
        first = winner(records)
        if first is None:
            return {}
        best = run_name(first, records)
        found = {}
        for pair in self.of(self.paired, str(first["task"]), str(first["protocol"])):
            if pair["method_a"] == best:
                found[str(pair["method_b"])] = pair
            elif pair["method_b"] == best:  # a row of higher UAR whose search saw test subjects
                found[str(pair["method_a"])] = {**pair, "difference": -pair["difference"]}
        return found

    def health_of(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The search health of a row of the comparison."""
        keys = ("task", "protocol", "method", "search_scope")
        return next((row for row in self.health if all(row[key] == record[key] for key in keys)), None)

    def of(self, rows: Iterable[dict[str, Any]], task: str, protocol: str) -> list[dict[str, Any]]:
        """The rows of one task under one protocol."""
        return [row for row in rows if row["task"] == task and row["protocol"] == protocol]


def winner(records: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The finished row of highest UAR whose search saw no test subject; of any search where there is no such row.

    Args:
        records: the rows of one task, best UAR first.
    """
    good = [record for record in records if record["status"] == "ok"]
    clean = [record for record in good if record.get("search_scope", "") in CLEAN_SCOPES]
    return next(iter(clean or good), None)


def kept_statistics(results: Path, frame: pd.DataFrame, config: StudyConfig | None) -> Statistics:
    """`study_statistics`, taken from what the tables' job left where the runs are still the same."""
    path = results / KEPT
    key = _key(results, frame, config)
    document = optional_json(path)
    if document.get("key") == key:
        return Statistics(**document["statistics"])
    found = study_statistics(results, frame, config)
    with contextlib.suppress(OSError):  # a read-only results folder
        write_json(path, {"key": key, "statistics": asdict(found)})
    return Statistics(**json.loads(to_json(asdict(found))))


def _key(results: Path, frame: pd.DataFrame, config: StudyConfig | None) -> str:
    """A digest of everything that the statistics come from."""
    files = sorted([*results.glob("runs/**/predictions.parquet"), *results.glob("runs/**/search.jsonl")])
    parts = [
        code_digest("fernas.reporting.statistics"),
        frame.to_csv(index=False),
        canonical_json(config.scoring.model_dump() if config is not None else {}),
        *(f"{file.relative_to(results).as_posix()} {sha256_file(file)}" for file in files),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def study_statistics(results: Path, frame: pd.DataFrame, config: StudyConfig | None) -> Statistics:
    """All statistics of the finished runs of a comparison.

    Args:
        results: the results folder.
        frame: the comparison of all methods.
        config: the study; its `scoring` sets resamples and level.
    """
    found = Statistics(ranks=study_ranks(frame, config))
    options = config.scoring.model_dump() if config is not None else {}
    for task, protocol, block in task_groups(frame):
        records = [record for record in records_of(block) if record["status"] == "ok"]
        records.sort(key=lambda record: -float(record["uar"]))
        runs = {run_name(record, records): _run(results, record) for record in records}
        _add_pairs(found, task, protocol, records, runs, options)
        _add_optimism(found, records, results, options)
        found.variance += [row for record in records if (row := _variance(record, _run(results, record)))]
    for row, adjusted in zip(found.optimism, holm([row["p"] for row in found.optimism]), strict=True):
        row["p_holm"] = adjusted
    for record in records_of(frame):
        if (health := run_health(results, record)) is not None:
            found.health.append(_health_row(record, *health))
    return found


def run_name(record: dict[str, Any], records: Sequence[dict[str, Any]]) -> str:
    """The method of a row of the comparison, with its scope where several of the task's finished rows are of it."""
    several = sum(o["method"] == record["method"] and o["status"] == "ok" for o in records) > 1
    return f"{record['method']} ({record['search_scope']})" if several else str(record["method"])


def _run(results: Path, record: dict[str, Any]) -> MethodRun:
    task_dir = rendered_folder(str(record["task"]), bool(record["rendered"]))
    protocol, method, scope = (str(record[key]) for key in ("protocol", "method", "search_scope"))
    folder = results / "runs" / task_dir / protocol / method / scope
    return MethodRun(task_dir, protocol, method, scope, folder)


def run_predictions(run: MethodRun) -> list[pd.DataFrame]:
    """The predictions of all finished repetitions of a run."""
    frames = []
    for training in run.trainings:
        if number(optional_json(training.folder / "scores.json"), "uar") is None:
            continue
        try:
            frames.append(read_parquet(training.folder / "predictions.parquet"))
        except DataError as error:
            logger.warning("left out of the statistics: %s", error)
    return [frame for frame in frames if len(frame)]


# ---------------------------------------------------------------------------------------------------- paired tests


def _add_pairs(
    found: Statistics,
    task: str,
    protocol: str,
    records: list[dict[str, Any]],
    runs: dict[str, MethodRun],
    options: dict[str, Any],
) -> None:
    tables = {name: frames for name, run in runs.items() if (frames := run_predictions(run))}
    by_samples: dict[tuple[str, ...], list[str]] = {}
    for name, frames in tables.items():
        by_samples.setdefault(tuple(sorted(frames[0]["sample_id"].astype(str))), []).append(name)
    if not by_samples:
        return
    family = max(by_samples.values(), key=len)
    place = f"{task}, {protocol}"
    found.left_out += [
        f"{place}: {name} was tested on other samples than {family[0]}" for name in tables if name not in family
    ]
    if len(family) < 2:
        return
    try:
        pairs = compare_family({name: tables[name] for name in family}, **options)
    except (ContractError, DataError) as error:  # results of two states of a study
        logger.warning("no paired tests of %s: %s", place, error)
        found.left_out.append(f"{place}: no paired tests: {error}")
        return
    found.paired += [_pair_row(records[0], pair, len(pairs)) for pair in pairs]


def _pair_row(record: dict[str, Any], pair: dict[str, Any], family: int) -> dict[str, Any]:
    low, high = pair["interval"]["uar"]
    swap, wilcoxon, mcnemar, effect = pair["swap"], pair["wilcoxon"], pair["mcnemar"], pair["effect"]
    return {
        **{key: record[key] for key in ("dataset", "task", "protocol", "rendered")},
        "method_a": pair["method_a"],
        "method_b": pair["method_b"],
        "uar_a": pair["a"]["uar"],
        "uar_b": pair["b"]["uar"],
        "difference": pair["difference"]["uar"],
        "low": low,
        "high": high,
        "unit": pair["unit"],
        "units": pair["units"],
        "swap_p": swap["p"],
        "swap_p_holm": swap["p_holm"],
        "swap_smallest_p": swap["smallest_p"],
        "wilcoxon_p": wilcoxon["p"],
        "wilcoxon_p_holm": wilcoxon["p_holm"],
        "wilcoxon_smallest_p": wilcoxon["smallest_p"],
        "mcnemar_p": mcnemar["p"],
        "mcnemar_p_holm": mcnemar.get("p_holm"),
        "mcnemar_smallest_p": mcnemar["smallest_p"],
        "mcnemar_reason": mcnemar.get("reason", ""),
        "d_z": effect["d_z"],
        "rank_biserial": effect["rank_biserial"],
        "better": effect["better"],
        "equal": effect["equal"],
        "worse": effect["worse"],
        "family": family,
    }


def p_text(p: float | None) -> str:
    """A p value in short: `0.41`, `0.0030`, `3e-05`, or a dash."""
    if missing(p) or p is None:
        return "-"
    if p < 0.0001:
        return f"{p:.0e}"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def gap_text(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A difference of scores in points with its interval, for example `+3.2 [-1.0, 7.5]`."""
    if missing(value):
        return "-"
    text = f"{100 * float(value or 0.0):+.1f}"
    if missing(low) or missing(high):
        return text
    return f"{text} [{100 * float(low or 0.0):+.1f}, {100 * float(high or 0.0):+.1f}]"


def pair_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of paired tests as short texts, in the order of `PAIRED_SHORT`."""
    return (
        rendered_folder(str(row["task"]), bool(row["rendered"])),
        str(row["method_a"]),
        str(row["method_b"]),
        gap_text(row["difference"], row["low"], row["high"]),
        p_text(row["swap_p"]),
        p_text(row["swap_p_holm"]),
        p_text(row["swap_smallest_p"]),
        p_text(row["wilcoxon_p"]),
        p_text(row["mcnemar_p"]),
        "-" if missing(row["d_z"]) else f"{row['d_z']:.2f}",
        f"{row['better']} / {row['equal']} / {row['worse']}",
    )


# ---------------------------------------------------------------------------------------------------- optimism


def _add_optimism(found: Statistics, records: list[dict[str, Any]], results: Path, options: dict[str, Any]) -> None:
    by_scope = {(record["method"], record["search_scope"]): record for record in records}
    for (method, scope), record in by_scope.items():
        honest = by_scope.get((method, HONEST))
        if scope != MATCHED or honest is None:
            continue
        whole, clean = (run_predictions(_run(results, side)) for side in (record, honest))
        try:
            gap = optimism_gap(whole, clean, **options)
        except (ContractError, DataError) as error:
            found.left_out.append(f"{record['task']}, {record['protocol']}: no optimism gap of {method}: {error}")
            continue
        found.optimism.append(
            {
                **{key: record[key] for key in ("dataset", "task", "protocol", "method", "rendered")},
                "uar_whole_matched": gap["comparison"]["a"]["uar"],
                "uar_per_group": gap["comparison"]["b"]["uar"],
                **{key: gap[key] for key in ("gap", "low", "high", "p", "smallest_p", "unit")},
            }
        )


def optimism_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the optimism gap as short texts, in the order of `OPTIMISM_SHORT`."""
    return (
        rendered_folder(str(row["task"]), bool(row["rendered"])),
        str(row["method"]),
        percent(row["uar_whole_matched"]),
        percent(row["uar_per_group"]),
        gap_text(row["gap"], row["low"], row["high"]),
        p_text(row["p"]),
        p_text(row["p_holm"]),
        p_text(row["smallest_p"]),
    )


# ---------------------------------------------------------------------------------------------------- seeds


def _variance(record: dict[str, Any], run: MethodRun) -> dict[str, Any] | None:
    rows = [
        {"search_seed": training.search_seed, "train_seed": training.train_seed, "value": value}
        for training in run.trainings
        if (value := number(optional_json(training.folder / "scores.json"), "uar")) is not None
    ]
    if len(rows) < 2:
        return None
    parts = variance_components(pd.DataFrame(rows))
    keys = ("task", "protocol", "method", "search_scope", "rendered")
    found = {**{key: record[key] for key in keys}, "sd": float(np.std([row["value"] for row in rows], ddof=1))}
    return found | {key: parts[key] for key in VARIANCE if key not in found}


def variance_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the variance of seeds as short texts, in the order of `VARIANCE_SHORT`."""
    return (
        rendered_folder(str(row["task"]), bool(row["rendered"])),
        f"{row['method']} ({row['search_scope']})",
        str(row["searches"]),
        str(row["trainings"]),
        percent(row["sd"]),
        percent(row["search_sd"]),
        percent(row["training_sd"]),
        "-" if missing(row["search_share"]) else f"{percent(row['search_share'])} %",
        str(row["reason"]),
    )


# ---------------------------------------------------------------------------------------------------- ranks


def study_ranks(frame: pd.DataFrame, config: StudyConfig | None = None) -> dict[str, Any]:
    """Ranks of the methods over datasets by UAR, from five datasets on; each dataset stands once, each method clean.

    Datasets must be independent: of those that show the same people (a composite, its parts) the fewest are left out,
    and rendered datasets where there are real ones.
    """
    good = frame[(frame["status"] == "ok") & frame["search_scope"].isin(CLEAN_SCOPES)]
    if good.empty:
        return critical_difference(pd.DataFrame())
    firsts = good.drop_duplicates("dataset")[["dataset", "task", "protocol", "rendered"]]
    rendered = firsts["rendered"].astype(bool)
    left_out = [f"{name} (rendered)" for name in firsts.loc[rendered, "dataset"]] if not rendered.all() else []
    if left_out:
        firsts = firsts[~rendered]
    kept, same = _other_people([str(name) for name in firsts["dataset"]], config)
    chosen = good.merge(
        firsts.loc[firsts["dataset"].isin(kept), ["dataset", "task", "protocol"]], on=["dataset", "task", "protocol"]
    )
    chosen = chosen.drop_duplicates(["dataset", "method"])
    scores = chosen.pivot(index="dataset", columns="method", values="uar")
    most = int(scores.notna().sum().max())
    found = critical_difference(scores.loc[:, scores.notna().sum() == most])
    return found | {"left_out": [*found["left_out"], *left_out, *same], "rendered": bool(rendered.all())}


def _other_people(names: list[str], config: StudyConfig | None) -> tuple[list[str], list[str]]:
    """(datasets without people in common, why the others are left out); those that overlap with fewest come first."""
    overlaps = composites.same_people(config, names) if config is not None else dict.fromkeys(names, [])
    kept: list[str] = []
    left_out = []
    for name in sorted(names, key=lambda name: len(overlaps[name])):
        shared = [other for other in kept if other in overlaps[name]]
        if shared:
            left_out.append(f"{name} (same people as {', '.join(shared)})")
        else:
            kept.append(name)
    return kept, left_out


# ---------------------------------------------------------------------------------------------------- health


def run_health(results: Path, record: dict[str, Any]) -> tuple[Health, int] | None:
    """The mean health of a method run's searches and their number; None where no search wrote alphas or cells."""
    if not record.get("search_scope"):
        return None
    found = []
    for search in _run(results, record).searches:
        health = search_health(
            optional_jsonl(search.folder / "search.jsonl"), optional_json(search.folder / "architecture.json")
        )
        if health.entropy_end is not None or health.skips_normal is not None:
            found.append(health)
    return (mean_health(found), len(found)) if found else None


def _health_row(record: dict[str, Any], health: Health, searches: int) -> dict[str, Any]:
    return {
        **{key: record[key] for key in ("task", "protocol", "method", "search_scope", "rendered")},
        "uar": None if missing(record["uar"]) else float(record["uar"]),
        "searches": searches,
        "warnings": "; ".join(health.warnings),
        **{key: getattr(health, key) for key in MEASURES},
    }


def health_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of search health as short texts, in the order of `HEALTH_SHORT`."""
    return (
        rendered_folder(str(row["task"]), bool(row["rendered"])),
        f"{row['method']} ({row['search_scope']})",
        percent(row["uar"]),
        entropy_text(row),
        skips_text(row, "skips_normal"),
        skips_text(row, "skips_reduce"),
        "-" if missing(row["curvature"]) else f"{row['curvature']:.3g}",
        ranks_text(row),
        str(row["warnings"]) or "-",
    )


def entropy_text(row: dict[str, Any]) -> str:
    """The entropy of alpha at the end of the first and of the last epoch: `1.94 to 0.87`."""
    if missing(row["entropy_end"]):
        return "-"
    return f"{row['entropy_start']:.2f} to {row['entropy_end']:.2f}"


def ranks_text(row: dict[str, Any]) -> str:
    """Kendall's tau of inherited and trained scores with its interval: `0.42 [0.02, 0.75], 12 cells`."""
    if missing(row["agreement_cells"]):
        return "-"
    cells = f"{row['agreement_cells']:.0f} cells"
    if missing(row["kendall"]):
        return f"undefined (equal scores), {cells}"
    return f"{row['kendall']:.2f} [{row['kendall_low']:.2f}, {row['kendall_high']:.2f}], {cells}"


def skips_text(row: dict[str, Any], key: str) -> str:
    """Skip connections of a cell among its operations, mean over searches: `1.5 of 8`."""
    if missing(row[key]):
        return "-"
    return f"{row[key]:.3g} of {row['operations']:.3g}"


def skips_pair(row: dict[str, Any]) -> str:
    """Skip connections of the normal and of the reduction cell, mean over searches: `1.5 + 0`."""
    if missing(row["skips_normal"]):
        return "-"
    return f"{row['skips_normal']:.2g} + {0 if missing(row['skips_reduce']) else row['skips_reduce']:.2g}"


# ---------------------------------------------------------------------------------------------------- files


def write_statistics(results: Path, found: Statistics) -> list[Path]:
    """Every table of statistics as csv, markdown and LaTeX in `results/tables`; and all of it as json."""
    folder = results / "tables"
    flags = [bool(row["rendered"]) for rows in (found.paired, found.variance, found.health) for row in rows]
    note = f" ({'' if all(flags) else 'rows of '}{RENDERED_NOTE})" if any(flags) else ""
    written = []
    for name, rows, columns, short, cells, caption in (
        (
            "paired", found.paired, PAIRED, PAIRED_SHORT, pair_cells,
            "Paired tests: the swap test exchanges whole subjects and recomputes the pooled UAR; Holm over all pairs "
            f"of a task; least p: the smallest that data of this size can give{note}",
        ),
        (
            "variance", found.variance, VARIANCE, VARIANCE_SHORT, variance_cells,
            f"Spread of the UAR over search seeds and over training seeds, in points{note}",
        ),
        (
            "optimism", found.optimism, OPTIMISM, OPTIMISM_SHORT, optimism_cells,
            "Optimism gap: UAR when the search saw test subjects (as many subjects as the groups' pools) minus UAR "
            f"when it did not; Holm over all gaps{note}"
            + ("" if found.optimism else f". None here: no method ran in both scopes, {HONEST} and {MATCHED}"),
        ),
        (
            "search_health", found.health, HEALTH, HEALTH_SHORT, health_cells,
            "Search health, mean over the searches of a method; tau: of UARs with inherited weights and after training"
            f"{note}",
        ),
    ):  # fmt: skip
        table = pd.DataFrame(rows, columns=list(columns))
        texts: list[tuple[str, ...]] = [cells(row) for row in rows]
        written += write_forms(folder / name, table, short, texts, caption)
    write_json(folder / "ranks.json", found.ranks)
    written.append(folder / "ranks.json")
    if found.ranks.get("available"):
        from fernas.reporting.figures import ranks_svg

        write_text(folder / "ranks.svg", ranks_svg(found.ranks))
        written.append(folder / "ranks.svg")
    return written
