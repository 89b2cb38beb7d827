"""Tables of one task beside its comparison: more scores, scores on the parts of a composite, gaps in recall."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.metrics import uar
from fernas.reporting.comparison import task_records
from fernas.reporting.formats import digits, percent, rows_of, task_groups
from fernas.reporting.predictions import PooledPredictions, pooled_predictions
from fernas.reporting.statistics import finished, run_name, run_of
from fernas.reporting.stored import number
from fernas.reporting.table import Column, Table
from fernas.scoring.intervals import NOT_ESTIMABLE

SCORES = (
    Column("method", style="name"),
    Column("UAR, mean of folds", text=percent),
    Column("SD over seeds", text=percent),
    Column("UAR without faceless", text=percent),
    Column("faceless samples", text=digits(6)),
    Column("SD of search seeds", text=percent),
    Column("SD of training seeds", text=percent),
)
GROUPS = (
    Column("method", style="name"),
    Column("attribute", style="text"),
    Column("gap", text=percent),
    Column("interval"),
    Column("recall of each group (samples)", style="text"),
)


def detail_frames(results: Path, frame: pd.DataFrame, variance: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The frames `scores`, `datasets` and `groups` over all tasks; finished methods, best UAR first.

    Args:
        results: the results folder.
        frame: the comparison.
        variance: what seeds contribute, see `Statistics`.
    """
    rows: dict[str, list[dict[str, Any]]] = {"scores": [], "datasets": [], "groups": []}
    for task, protocol, _ in task_groups(frame):
        records = task_records(frame, task, protocol)
        for record in finished(records):
            run = run_of(results, record)
            where = {"task": task, "protocol": protocol, "method": run_name(record, records)}
            scores = run.scores
            rows["scores"].append(where | _scores(scores) | _seed_spread(record, variance))
            rows["datasets"] += [where | row for row in _of_datasets(pooled_predictions(run))]
            rows["groups"] += [where | row for row in group_gaps(scores)]
    columns = {
        "scores": [column.key for column in SCORES],
        "datasets": ["method", "dataset", "uar"],
        "groups": [column.key for column in GROUPS],
    }
    return {name: pd.DataFrame(rows[name], columns=["task", "protocol", *columns[name]]) for name in rows}


def detail_tables(frames: Mapping[str, pd.DataFrame], task: str, protocol: str, note: str) -> dict[str, Table]:
    """The tables `<task>-<protocol>-{scores,datasets,groups}`; `note` ends their captions."""

    def table(name: str, caption: str, columns: tuple[Column, ...], frame: pd.DataFrame) -> Table:
        return Table(
            f"{task}-{protocol}-{name}",
            f"{task}, {protocol}: {caption}{note}",
            columns,
            frame,
            data=tuple(column.key for column in columns),
        )

    frames = {name: rows_of(frame, task, protocol) for name, frame in frames.items()}
    parts = frames["datasets"]
    names = sorted(parts["dataset"].unique())
    wide = parts.pivot(index="method", columns="dataset", values="uar").reindex(parts["method"].unique()).reset_index()
    by_dataset = (Column("method", style="name"), *(Column(name, text=percent) for name in names))
    gaps = "gap in recall between the best and the worst served demographic group, in percent"
    return {
        "scores": table("scores", "more scores, in percent; each fold counts the same", SCORES, frames["scores"]),
        "datasets": table("datasets", "UAR in percent on the parts of the composite", by_dataset, wide),
        "groups": table("groups", gaps, GROUPS, frames["groups"]),
    }


def _scores(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """UAR as mean of folds, its spread over seeds, UAR without samples in which no face was detected."""
    documents = [document for document in documents if number(document, "uar") is not None]
    without = [document.get("without_no_face") or {} for document in documents]
    uars = [float(document["uar"]) for document in documents]
    return {
        "UAR, mean of folds": _mean([number(document.get("mean_of_folds") or {}, "uar") for document in documents]),
        "SD over seeds": float(np.std(uars, ddof=1)) if len(uars) > 1 else None,
        "UAR without faceless": _mean([number(document, "uar") for document in without]),
        "faceless samples": _mean([number(document, "left_out") for document in without]),
    }


def _seed_spread(record: Mapping[str, Any], variance: pd.DataFrame) -> dict[str, Any]:
    """Standard deviations that come of search seeds and of training seeds."""
    keys = ("task", "protocol", "method", "search_scope")
    rows = variance[(variance[list(keys)] == [record[key] for key in keys]).all(axis=1)]
    if rows.empty:
        return {}
    return {"SD of search seeds": rows["search_sd"].iloc[0], "SD of training seeds": rows["training_sd"].iloc[0]}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _of_datasets(predictions: PooledPredictions | None) -> list[dict[str, Any]]:
    """The UAR on each dataset of a composite; nothing for a single dataset."""
    if predictions is None or "dataset" not in predictions.frame:
        return []
    column = predictions.frame["dataset"].astype(str)
    names = sorted(column.unique())
    if len(names) < 2:
        return []
    truth, guess, classes = predictions.truth, predictions.guess, len(predictions.classes)
    masks = {name: (column == name).to_numpy() for name in names}
    return [{"dataset": name, "uar": float(uar(truth[m], guess[m], classes))} for name, m in masks.items()]


def group_gaps(scores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How far apart the demographic groups are for one method: one row per attribute, by name; means over seeds.

    Args:
        scores: scores.json of each seed.
    """
    documents = [document["groups"] for document in scores if document.get("groups")]
    rows = []
    for name in sorted({name for groups in documents for name in groups}):
        seeds = [groups[name] for groups in documents if name in groups]
        members = {m: row for m, row in seeds[0]["groups"].items() if all(m in seed["groups"] for seed in seeds)}
        recalls = {m: float(np.mean([seed["groups"][m]["recall"] for seed in seeds])) for m in members}
        order = sorted(recalls, key=lambda m: -recalls[m])
        if len(order) < 2:
            continue
        # The stored interval is of one seed; an interval of the mean over seeds would need the predictions.
        pair = seeds[0]["interval"] if len(seeds) == 1 else None
        rows.append(
            {
                "attribute": name.replace("_", " "),
                "gap": recalls[order[0]] - recalls[order[-1]],
                "interval": pair and (NOT_ESTIMABLE if None in pair else " to ".join(map(percent, pair))),
                "recall of each group (samples)": ", ".join(
                    f"{m} {percent(recalls[m])} ({int(members[m]['samples'])})" for m in order
                ),
            }
        )
    return rows
