"""The ablation table: variants of a method against the method itself, on the same samples."""

from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.config import MethodConfig
from fernas.core.errors import ConfigError, FernasError
from fernas.core.io import read_parquet
from fernas.reporting.formats import digits, fixed, missing, records_of, score, short_count
from fernas.reporting.statistics import TASK
from fernas.reporting.table import Column, Table
from fernas.study import ResultsLayout, Study

NUMBERS = (
    "uar", "uar_low", "uar_high", "params", "macs", "search_macs", "difference", "difference_low", "difference_high",
    "p", "smallest_p",
)  # fmt: skip
COLUMNS = ("task", "protocol", "method", "differs_in", "status", "reason", *NUMBERS, "unit", "rendered")
TABLE = (
    TASK,
    Column("method", "variant", style="name"),
    Column("differs_in", "differs in"),
    Column("uar", "UAR [95 % CI]", score, ("uar_low", "uar_high")),
    Column("difference", text=score, more=("difference_low", "difference_high")),
    Column("p", text=fixed(3)),
    Column("smallest_p", "smallest p", digits(2)),
    Column("params", text=short_count),
    Column("macs", "MACs", short_count),
    Column("search_macs", "search MACs", short_count),
    Column("status", "note", lambda status, reason: "" if status == "ok" else f"{status}: {reason}", ("reason",)),
)
BASE = "emonas"
IGNORED = ("scopes", "search_seeds", "train_seeds", "mem_mb")


def variants(study: Study, base: str = BASE) -> list[str]:
    """The methods of the study that are named after the base method: `<base>_...`."""
    listed = {name for entry in study.config.study for name in entry.methods}
    return [name for name in study.methods if name.startswith(f"{base}_") and name in listed]


def ablation_frame(results: Path, study: Study, base: str = BASE) -> pd.DataFrame:
    """One row per task and variant of `base`, and one for `base` itself, from the comparison that `compare` wrote.

    `differs_in` says in which settings; `difference` is the UAR of the variant minus that of the base, with its
    confidence interval over subjects and the p of the paired permutation test (not adjusted for the number of
    variants).

    Raises:
        ConfigError: the study has no variants.
    """
    names = variants(study, base)
    if not names or base not in study.methods:
        raise ConfigError(
            f"ablation: no method of the study is a variant of {base} (named {base}_...); "
            "configs/ablation.yaml has some: snakemake --cores all ablation --configfile configs/ablation.yaml"
        )
    frame = read_parquet(ResultsLayout(results).tables / "comparison.parquet")
    listed = {(entry.task, entry.protocol, name) for entry in study.config.study for name in entry.methods}
    rows: list[dict[str, Any]] = []
    for record in records_of(frame[frame["method"].isin([base, *names])]):
        if (record["task"], record["protocol"], record["method"]) not in listed:
            continue
        row = {name: None if missing(record.get(name)) else record[name] for name in COLUMNS}
        row["differs_in"] = ", ".join(differences(study.methods[base], study.methods[str(record["method"])]))
        if record["method"] != base:
            row |= _against(results, study, record, base)
        rows.append(row)
    order = [base, *names]
    rows.sort(key=lambda row: (row["task"], row["protocol"], order.index(row["method"])))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, "float64"))


def differences(base: MethodConfig, other: MethodConfig) -> list[str]:
    """The settings of a variant that are not the base's, as `key = value`, nested keys with dots."""
    return _different(
        {k: v for k, v in base.model_dump(mode="json").items() if k not in IGNORED},
        {k: v for k, v in other.model_dump(mode="json").items() if k not in IGNORED},
        "",
    )


def _different(base: Any, other: Any, path: str) -> list[str]:
    if isinstance(base, dict) and isinstance(other, dict):
        return [
            text
            for key in sorted({*base, *other})
            for text in _different(base.get(key), other.get(key), f"{path}.{key}" if path else str(key))
        ]
    if base == other:
        return []
    value = ", ".join(str(v) for v in other) if isinstance(other, list) else str(other)
    return [f"{path} = {value}"]


def _against(results: Path, study: Study, record: dict[str, Any], base: str) -> dict[str, Any]:
    from fernas.scoring.compare import compare_runs

    runs = {
        run.method: run
        for run in study.at(results).runs()
        if (run.task, run.protocol) == (record["task"], record["protocol"]) and run.method in (base, record["method"])
    }
    try:
        variant, original = (
            [read_parquet(runs[name].train_folder(s, t).predictions) for s, t in runs[name].seeds]
            for name in (str(record["method"]), base)
        )
        pair = compare_runs(variant, original, seed=study.config.seed)
    except (KeyError, FernasError):  # one of the two has not finished
        return {}
    low, high = pair["interval"]["uar"]
    return {
        "difference": pair["difference"]["uar"],
        "difference_low": low,
        "difference_high": high,
        "p": pair["permutation"]["p"],
        "smallest_p": pair["permutation"]["smallest_p"],
        "unit": pair["unit"],
    }


def write_ablation(results: Path, study: Study, base: str = BASE) -> pd.DataFrame:
    """Write the table into `results/tables`."""
    frame = ablation_frame(results, study, base)
    caption = (
        f"Variants of {base}. Difference: UAR of the variant minus that of {base} in percentage points, with its 95 % "
        "confidence interval over subjects; p of the paired permutation test, not adjusted for the number of variants"
    )
    Table("ablation", caption, TABLE, frame).write(ResultsLayout(results).tables)
    return frame
