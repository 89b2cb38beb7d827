"""The study's statistics: paired tests, what seeds contribute, the optimism gap, ranks over datasets, search health.

What it does: takes the comparison and the stored predictions and computes, once, every statistic that a table or the
report shows. `fernas.scoring` holds the tests themselves; here it is decided what is compared with what.

Invariants:

- A family is all pairs of the methods of one task that were tested on the same samples. Holm's adjustment (Holm 1979)
  runs over that family: p_(i) -> max_{j <= i} min(1, (m - j + 1) p_(j)) for the m ordered p values.
- The test statistic is the difference of the pooled UAR. A permutation exchanges the predictions of two methods for
  whole subjects, because the samples of one subject are not independent.
- "Best" is the highest UAR among methods whose search saw no test subject (`is_clean`). A method with a leak can
  have a higher UAR, but nothing is compared with it.
- The optimism gap is UAR(whole_matched) - UAR(per_group) of one method: both searches saw equally many subjects, the
  first also test subjects. Holm's adjustment runs over all gaps of the study.
- The spread over seeds is split by the random effects model y_st = mu + a_s + e_st (search seed s, training seed t),
  see `fernas.scoring.ranks.variance_components`.
- Ranks need independent datasets: of datasets that share subjects the fewest are left out.

What may be touched: which columns a table shows (`Column`), and their texts. The keys of a row are columns of the csv
files in results/tables: other programs read them. Whoever changes a family changes every adjusted p value.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.errors import ContractError, DataError
from fernas.reporting.formats import (
    digits,
    gap,
    missing,
    optional,
    p_value,
    percent,
    records_of,
    rows_of,
    task_groups,
)
from fernas.reporting.predictions import run_predictions
from fernas.reporting.stored import RENDERED_NOTE, RunFiles, number, optional_json, optional_jsonl
from fernas.reporting.table import FILES, Column, Row, Table
from fernas.scoring.compare import compare_family, holm, optimism_gap
from fernas.scoring.health import MEASURES, Health, mean_health, search_health
from fernas.scoring.ranks import critical_difference, variance_components
from fernas.study import ResultsLayout, Study
from fernas.study.layout import folder_name
from fernas.study.runs import CELLS_LEAK, SCOPE_LEAKS

logger = logging.getLogger(__name__)
SIGNIFICANT = 0.05
MATCHED, HONEST = "whole_matched", "per_group"
CLEAN_SCOPES = ("per_group", "no_data", "per_fold")
TESTS = ("permutation", "wilcoxon", "mcnemar")
PAIRED = (
    "dataset", "task", "protocol", "rendered", "method_a", "method_b", "uar_a", "uar_b", "difference", "low", "high",
    "unit", "units", *(f"{test}_{key}" for test in TESTS for key in ("p", "p_holm", "smallest_p")), "mcnemar_reason",
    "d_z", "rank_biserial", "better", "equal", "worse", "family",
)  # fmt: skip
VARIANCE = (
    "task", "protocol", "method", "search_scope", "searches", "trainings", "mean", "mean_se", "sd", "search_sd",
    "training_sd", "search_share", "reason", "rendered",
)  # fmt: skip
OPTIMISM = (
    "dataset", "task", "protocol", "method", "uar_whole_matched", "uar_per_group", "gap", "low", "high", "p",
    "p_holm", "smallest_p", "unit", "rendered",
)  # fmt: skip
HEALTH = (
    "task", "protocol", "method", "search_scope", "searches", "entropy_start", "entropy_end", "skips_normal",
    "skips_reduce", "operations", "curvature", "kendall", "kendall_low", "kendall_high", "spearman", "agreement_cells",
    "uar", "warnings", "rendered",
)  # fmt: skip
HEALTH_KEYS = (  # what the comparison shows of a search's health; the first one sorts
    "entropy_end", "entropy_start", "skips_normal", "skips_reduce", "curvature", "kendall", "kendall_low",
    "kendall_high", "agreement_cells",
)  # fmt: skip


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


@dataclass
class Statistics:
    """What the study's runs say beyond their scores.

    Attributes:
        paired: one row per pair of methods of a task, the one of higher UAR first; columns `PAIRED`.
        variance: one row per method run; columns `VARIANCE`.
        optimism: one row per method that ran in both scopes; columns `OPTIMISM`.
        health: one row per method run with a search history; columns `HEALTH`.
        ranks: what `critical_difference` says.
        left_out: why a finished method takes part in no test.
    """

    paired: pd.DataFrame = field(default_factory=lambda: _empty(PAIRED))
    variance: pd.DataFrame = field(default_factory=lambda: _empty(VARIANCE))
    optimism: pd.DataFrame = field(default_factory=lambda: _empty(OPTIMISM))
    health: pd.DataFrame = field(default_factory=lambda: _empty(HEALTH))
    ranks: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def against_best(self, records: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Name -> its paired tests against the task's best (`winner`); the difference is that of the best minus it.

        Args:
            records: the rows of one task, best UAR first.
        """
        first = winner(records)
        if first is None:
            return {}
        best = run_name(first, finished(records))
        against = {}
        for pair in records_of(rows_of(self.paired, str(first["task"]), str(first["protocol"]))):
            if pair["method_a"] == best:
                against[str(pair["method_b"])] = pair
            elif pair["method_b"] == best:  # a row of higher UAR whose search saw test subjects
                against[str(pair["method_a"])] = {**pair, "difference": -pair["difference"]}
        return against

    def health_of(self, record: Row) -> dict[str, Any]:
        """The search health of a row of the comparison; empty without one."""
        rows = rows_of(self.health, record["task"], record["protocol"])
        same = (rows["method"] == record["method"]) & (rows["search_scope"] == record["search_scope"])
        return next(iter(records_of(rows[same])), {})


def winner(records: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The finished row of highest UAR whose search saw no test subject; of any search where there is no such row.

    Args:
        records: the rows of one task, best UAR first.
    """
    good = finished(records)
    return next(iter([record for record in good if is_clean(record)] or good), None)


def is_clean(record: Row) -> bool:
    """Whether no search saw test subjects: neither its own, nor that of a run on which it builds (column `leaks`)."""
    leaks, texts = str(record.get("leaks") or ""), (*SCOPE_LEAKS.values(), CELLS_LEAK)
    return record.get("search_scope", "") in CLEAN_SCOPES and not any(text in leaks for text in texts)


def finished(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that have scores."""
    return [record for record in records if record["status"] == "ok"]


def run_name(record: Row, records: Sequence[Row]) -> str:
    """The method of a row, with its scope where several of the given rows are of that method."""
    several = sum(other["method"] == record["method"] for other in records) > 1
    return f"{record['method']} ({record['search_scope']})" if several else str(record["method"])


def study_statistics(results: Path, frame: pd.DataFrame, study: Study) -> Statistics:
    """All statistics of the finished runs of a comparison.

    Args:
        results: the results folder.
        frame: the comparison of all methods.
        study: its section `scoring` sets resamples and level.
    """
    statistics = Statistics(ranks=study_ranks(frame, study))
    options = study.config.scoring.model_dump()
    pairs: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    seeds: list[dict[str, Any]] = []
    for _, _, block in task_groups(frame):
        records = sorted(finished(records_of(block)), key=lambda record: -float(record["uar"]))
        tables = {run_name(r, records): run_predictions(run_of(results, r)) for r in records}
        pairs += _paired(records, tables, options, statistics.left_out)
        gaps += _optimism(records, tables, options, statistics.left_out)
        seeds += [row for record in records if (row := _variance(record, run_of(results, record)))]
    for row, adjusted in zip(gaps, holm([row["p"] for row in gaps]), strict=True):
        row["p_holm"] = adjusted
    health = [row for record in records_of(frame) if (row := _health(results, record)) is not None]
    statistics.paired = pd.DataFrame(pairs, columns=list(PAIRED))
    statistics.optimism = pd.DataFrame(gaps, columns=list(OPTIMISM))
    statistics.variance = pd.DataFrame(seeds, columns=list(VARIANCE))
    statistics.health = pd.DataFrame(health, columns=list(HEALTH))
    return statistics


def run_of(results: Path, record: Row) -> RunFiles:
    """The run of a row of the comparison."""
    task_dir = folder_name(str(record["task"]), bool(record["rendered"]))
    protocol, method, scope = (str(record[key]) for key in ("protocol", "method", "search_scope"))
    return RunFiles(
        task_dir, protocol, method, scope, ResultsLayout(results).run(task_dir, protocol, method, scope).path
    )


# ------------------------------------------------------------------------------------------------------- paired tests


def _paired(
    records: Sequence[Row],
    predictions: Mapping[str, list[pd.DataFrame]],
    options: Mapping[str, Any],
    left_out: list[str],
) -> list[dict[str, Any]]:
    """The pairs of the largest set of methods that were tested on the same samples."""
    tables = {name: frames for name, frames in predictions.items() if frames}
    by_samples: dict[tuple[str, ...], list[str]] = {}
    for name, frames in tables.items():
        by_samples.setdefault(tuple(sorted(frames[0]["sample_id"].astype(str))), []).append(name)
    if not by_samples:
        return []
    family = max(by_samples.values(), key=len)
    where = f"{records[0]['task']}, {records[0]['protocol']}"
    left_out += [f"{where}: {n} was tested on other samples than {family[0]}" for n in tables if n not in family]
    if len(family) < 2:
        return []
    try:
        pairs = compare_family({name: tables[name] for name in family}, **options)
    except (ContractError, DataError) as error:  # results of two states of a study
        logger.warning("no paired tests of %s: %s", where, error)
        left_out.append(f"{where}: no paired tests: {error}")
        return []
    return [_pair_row(records[0], pair, len(pairs)) for pair in pairs]


def _pair_row(record: Row, pair: Mapping[str, Any], family: int) -> dict[str, Any]:
    low, high = pair["interval"]["uar"]
    tests = {name: pair[name] for name in TESTS}
    return {
        **{key: record[key] for key in ("dataset", "task", "protocol", "rendered")},
        **{key: pair[key] for key in ("method_a", "method_b", "unit", "units")},
        "uar_a": pair["a"]["uar"],
        "uar_b": pair["b"]["uar"],
        "difference": pair["difference"]["uar"],
        "low": low,
        "high": high,
        **{f"{name}_{key}": test.get(key) for name, test in tests.items() for key in ("p", "p_holm", "smallest_p")},
        "mcnemar_reason": pair["mcnemar"].get("reason", ""),
        **{key: pair["effect"][key] for key in ("d_z", "rank_biserial", "better", "equal", "worse")},
        "family": family,
    }


def folder_text(task: Any, rendered: Any) -> str:
    """A task's folder name, which says whether its faces are synthetic."""
    return folder_name(str(task), bool(rendered))


def run_text(method: Any, scope: Any) -> str:
    """A method with the scope of its search."""
    return f"{method} ({scope})"


TASK = Column("task", text=folder_text, more=("rendered",), forms=FILES)
RUN = Column("method", text=run_text, more=("search_scope",))
PAIRED_TABLE = (
    TASK,
    Column("method_a", "method a", style="name"),
    Column("method_b", "method b", style="name"),
    Column(
        "difference", "UAR a - b [95 % CI]", gap, ("low", "high"),
        about="in percentage points, with its 95 % confidence interval",
    ),
    Column("permutation_p", "p permutation", p_value, about="paired permutation test"),
    Column(
        "permutation_p_holm", "p Holm", p_value, about="permutation test, adjusted over all pairs of the task",
        style=lambda row: "sure" if row["permutation_p_holm"] < SIGNIFICANT else "num",
    ),
    Column(
        "permutation_smallest_p", "smallest p", p_value, about="the smallest p attainable with data of this size",
    ),
    Column("wilcoxon_p", "p Wilcoxon", p_value, about="signed ranks of the subjects' accuracies"),
    Column("mcnemar_p", "p McNemar", p_value, about="where samples are independent"),
    Column(
        "d_z", "d_z", lambda value: "-" if missing(value) else f"{value:.2f}",
        about="effect size: mean over standard deviation of the subjects' shares of the difference",
    ),
    Column(
        "better", "better / equal / worse", lambda *counts: " / ".join(map(str, counts)), ("equal", "worse"),
        about="subjects",
    ),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- optimism gap


def _optimism(
    records: Sequence[Row],
    predictions: Mapping[str, list[pd.DataFrame]],
    options: Mapping[str, Any],
    left_out: list[str],
) -> list[dict[str, Any]]:
    by_scope = {(record["method"], record["search_scope"]): record for record in records}
    rows = []
    for (method, scope), record in by_scope.items():
        honest = by_scope.get((method, HONEST))
        if scope != MATCHED or honest is None:
            continue
        whole, clean = (predictions[run_name(row, records)] for row in (record, honest))
        try:
            pair = optimism_gap(whole, clean, **options)
        except (ContractError, DataError) as error:
            left_out.append(f"{record['task']}, {record['protocol']}: no optimism gap of {method}: {error}")
            continue
        rows.append(
            {
                **{key: record[key] for key in ("dataset", "task", "protocol", "method", "rendered")},
                "uar_whole_matched": pair["comparison"]["a"]["uar"],
                "uar_per_group": pair["comparison"]["b"]["uar"],
                **{key: pair[key] for key in ("gap", "low", "high", "p", "smallest_p", "unit")},
            }
        )
    return rows


OPTIMISM_TABLE = (
    TASK,
    Column("method"),
    Column("uar_whole_matched", "UAR, search saw all", percent),
    Column("uar_per_group", "UAR, per group", percent),
    Column("gap", "gap [95 % CI]", gap, ("low", "high")),
    Column("p", "p permutation", p_value),
    Column("p_holm", "p Holm", p_value),
    Column("smallest_p", "smallest p", p_value),
)


# -------------------------------------------------------------------------------------------------------------- seeds


def _seed_scores(run: RunFiles) -> list[dict[str, Any]]:
    """The UAR (`value`) of every finished repetition beside its seeds."""
    return [
        {"search_seed": training.search_seed, "train_seed": training.train_seed, "value": value}
        for training, scores in zip(run.trainings, run.scores, strict=True)
        if (value := number(scores, "uar")) is not None
    ]


def best_runs(results: Path, frame: pd.DataFrame) -> dict[str, str]:
    """Path of a search seed's run (`<task>/<protocol>/<method>/<scope>/s<seed>`) -> `true` or `false`.

    The best one of each dataset and method has the highest UAR, averaged over its training seeds; one whose search saw
    test subjects only where the method has no other. Synthetic and real faces are apart.
    """
    candidates: dict[tuple[str, bool, str], dict[str, tuple[bool, float]]] = {}
    for record in records_of(frame[frame["status"] == "ok"]):
        run = run_of(results, record)
        seeds: dict[int, list[float]] = {}
        for row in _seed_scores(run):
            seeds.setdefault(row["search_seed"], []).append(row["value"])
        scores = candidates.setdefault((str(record["dataset"]), run.rendered, run.method), {})
        clean = is_clean(record)  # True sorts above False, so that any clean search beats any other
        scores.update({f"{run.key}/s{seed}": (clean, float(np.mean(values))) for seed, values in seeds.items()})
    tags = {}
    for scores in candidates.values():
        first = max(scores, key=lambda path: scores[path], default=None)
        tags.update({path: "true" if path == first else "false" for path in scores})
    return tags


def _variance(record: Row, run: RunFiles) -> dict[str, Any] | None:
    rows = _seed_scores(run)
    if len(rows) < 2:
        return None
    parts = variance_components(pd.DataFrame(rows))
    keys = ("task", "protocol", "method", "search_scope", "rendered")
    row = {**{key: record[key] for key in keys}, "sd": float(np.std([row["value"] for row in rows], ddof=1))}
    return row | {key: parts[key] for key in VARIANCE if key not in row}


VARIANCE_TABLE = (
    TASK,
    RUN,
    Column("searches"),
    Column("trainings"),
    Column("sd", "SD of all", percent),
    Column("search_sd", "SD of search seeds", percent),
    Column("training_sd", "SD of training seeds", percent),
    Column("search_share", "share of search", lambda value: "-" if missing(value) else f"{percent(value)} %"),
    Column("reason", "why not", optional),
)


# -------------------------------------------------------------------------------------------------------------- ranks


def study_ranks(frame: pd.DataFrame, study: Study) -> dict[str, Any]:
    """Ranks of the methods over datasets by UAR, from five datasets on; one task per dataset, clean searches only.

    Datasets must be independent: of those that share subjects (a composite, its parts) the fewest are left out, and
    synthetic datasets where there are real ones.
    """
    good = frame[[row["status"] == "ok" and is_clean(row) for row in records_of(frame)]]
    if good.empty:
        return critical_difference(pd.DataFrame())
    firsts = good.drop_duplicates("dataset")[["dataset", "task", "protocol", "rendered"]]
    rendered = firsts["rendered"].astype(bool)
    left_out = [f"{name} (rendered)" for name in firsts.loc[rendered, "dataset"]] if not rendered.all() else []
    if left_out:
        firsts = firsts[~rendered]
    independent, same = _independent([str(name) for name in firsts["dataset"]], study)
    chosen = good.merge(
        firsts.loc[firsts["dataset"].isin(independent), ["dataset", "task", "protocol"]],
        on=["dataset", "task", "protocol"],
    )
    chosen = chosen.drop_duplicates(["dataset", "method"])
    scores = chosen.pivot(index="dataset", columns="method", values="uar")
    most = int(scores.notna().sum().max())
    ranks = critical_difference(scores.loc[:, scores.notna().sum() == most])
    return ranks | {"left_out": [*ranks["left_out"], *left_out, *same], "rendered": bool(rendered.all())}


def _independent(names: list[str], study: Study) -> tuple[list[str], list[str]]:
    """(datasets without subjects in common, why the others are left out); those that overlap with fewest come first."""
    overlaps = study.same_people(names)
    independent: list[str] = []
    left_out = []
    for name in sorted(names, key=lambda name: len(overlaps[name])):
        shared = [other for other in independent if other in overlaps[name]]
        if shared:
            left_out.append(f"{name} (same subjects as {', '.join(shared)})")
        else:
            independent.append(name)
    return independent, left_out


# -------------------------------------------------------------------------------------------------------------- health


def _health(results: Path, record: Row) -> dict[str, Any] | None:
    """The mean health of a method run's searches; None where no search wrote alphas or cells."""
    if not record.get("search_scope"):
        return None
    searches = [
        search_health(optional_jsonl(s.folder / "search.jsonl"), optional_json(s.folder / "architecture.json"))
        for s in run_of(results, record).searches
    ]
    searches = [health for health in searches if health.entropy_end is not None or health.skips_normal is not None]
    if not searches:
        return None
    health: Health = mean_health(searches)
    return {
        **{key: record[key] for key in ("task", "protocol", "method", "search_scope", "rendered")},
        "uar": None if missing(record["uar"]) else float(record["uar"]),
        "searches": len(searches),
        "warnings": "; ".join(health.warnings),
        **{key: getattr(health, key) for key in MEASURES},
    }


def entropy_text(start: Any, end: Any) -> str:
    """Entropy of alpha after the first and after the last epoch in percent of uniform: `99 % to 45 %`."""
    return "-" if missing(end) else f"{100 * start:.0f} % to {100 * end:.0f} %"


def agreement_text(tau: Any, low: Any, high: Any, cells: Any) -> str:
    """Kendall's tau of inherited and trained scores with its interval: `0.42 [0.02, 0.75], 12 cells`."""
    if missing(cells):
        return "-"
    if missing(tau):
        return f"undefined (equal scores), {cells:.0f} cells"
    return f"{tau:.2f} [{low:.2f}, {high:.2f}], {cells:.0f} cells"


def skips_text(skips: Any, operations: Any) -> str:
    """Skip connections of a cell among its operations, mean over searches: `1.5 of 8`."""
    return "-" if missing(skips) else f"{skips:.3g} of {operations:.3g}"


def skips_pair(normal: Any, reduction: Any) -> str:
    """Skip connections of the normal and of the reduction cell, mean over searches: `1.5 + 0`."""
    return "-" if missing(normal) else f"{normal:.2g} + {0 if missing(reduction) else reduction:.2g}"


HEALTH_TABLE = (
    TASK,
    RUN,
    Column("uar", "UAR", percent),
    Column("entropy_start", "entropy, % of uniform", entropy_text, ("entropy_end",)),
    Column("skips_normal", "skips normal", skips_text, ("operations",)),
    Column("skips_reduce", "skips reduction", skips_text, ("operations",)),
    Column("curvature", "eigenvalue", digits(3)),
    Column("kendall", "tau of ranks [95 % CI]", agreement_text, ("kendall_low", "kendall_high", "agreement_cells")),
    Column("warnings"),
)


# -------------------------------------------------------------------------------------------------------------- tables


def statistics_tables(statistics: Statistics) -> list[Table]:
    """The tables of the statistics over the whole study."""
    flags = [bool(flag) for f in (statistics.paired, statistics.variance, statistics.health) for flag in f["rendered"]]
    note = f" ({'' if all(flags) else 'rows of '}{RENDERED_NOTE})" if any(flags) else ""
    none = "" if len(statistics.optimism) else f". None here: no method ran in both scopes, {HONEST} and {MATCHED}"
    return [
        Table(
            "paired",
            "Paired tests: the permutation test exchanges the predictions of whole units (subjects, or duplicate sets "
            "or images where a dataset names no subjects) and recomputes the pooled UAR; "
            f"Holm over all pairs of a task; smallest p: the smallest attainable with data of this size{note}",
            PAIRED_TABLE,
            statistics.paired,
        ),
        Table(
            "variance",
            f"Spread of the UAR over search seeds and over training seeds, in percentage points{note}",
            VARIANCE_TABLE,
            statistics.variance,
        ),
        Table(
            "optimism",
            "Optimism gap: UAR when the search saw test subjects (as many subjects as the pools of the fold groups) "
            f"minus UAR when it did not; Holm over all gaps{note}{none}",
            OPTIMISM_TABLE,
            statistics.optimism,
        ),
        Table(
            "search_health",
            "Search health, mean over the searches of a method; tau: of UARs with inherited weights and after "
            f"training{note}",
            HEALTH_TABLE,
            statistics.health,
        ),
    ]


def paired_table(statistics: Statistics, task: str, protocol: str) -> Table:
    """The paired tests of one task under one protocol."""
    return Table("pairs", f"Paired tests of {task}", PAIRED_TABLE, rows_of(statistics.paired, task, protocol))
