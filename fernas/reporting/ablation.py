"""The ablation table: variants of a method against the method itself, on the same samples."""

from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core import grid
from fernas.core.config import MethodConfig, StudyConfig
from fernas.core.errors import ConfigError, FernasError
from fernas.core.io import read_parquet
from fernas.reporting.formats import missing, percent, records_of, rendered_folder, score_text, short_count, write_forms
from fernas.reporting.tables import comparison

COLUMNS = (
    "task", "protocol", "method", "differs_in", "status", "reason", "uar", "uar_low", "uar_high", "params", "macs",
    "search_macs", "difference", "difference_low", "difference_high", "p", "smallest_p", "unit", "rendered",
)  # fmt: skip
NUMBERS = (
    "uar", "uar_low", "uar_high", "params", "macs", "search_macs", "difference", "difference_low", "difference_high",
    "p", "smallest_p",
)  # fmt: skip
SHOWN = (
    "task", "variant", "differs in", "UAR [95 %]", "difference", "p", "smallest p", "params", "MACs", "search MACs",
    "note",
)  # fmt: skip
BASE = "emonas"
IGNORED = ("scopes", "search_seeds", "train_seeds", "mem_mb")


def variants(config: StudyConfig, base: str = BASE) -> list[str]:
    """The methods of the study that are named after the base method: `<base>_...`."""
    listed = {name for entry in config.study for name in entry.methods}
    return [name for name in config.methods if name.startswith(f"{base}_") and name in listed]


def ablation_table(results: Path, config: StudyConfig, base: str = BASE) -> pd.DataFrame:
    """One row per task and variant of `base`, and one for `base` itself.

    `differs_in` says in which settings; `difference` is the UAR of the variant minus that of the base, with its
    interval over subjects and the p of the swap test (not adjusted for the number of variants).

    Raises:
        ConfigError: the study has no variants.
    """
    names = variants(config, base)
    if not names or base not in config.methods:
        raise ConfigError(
            f"ablation: no method of the study is a variant of {base} (named {base}_...); "
            "configs/ablation.yaml has some: snakemake --cores all ablation --configfile configs/ablation.yaml"
        )
    frame = comparison(results, config, write=False)
    listed = {(entry.task, entry.protocol, name) for entry in config.study for name in entry.methods}
    rows = []
    for record in records_of(frame[frame["method"].isin([base, *names])]):
        if (record["task"], record["protocol"], record["method"]) not in listed:
            continue
        method = config.methods[str(record["method"])]
        row = {name: record.get(name) for name in COLUMNS}
        row["differs_in"] = ", ".join(differences(config.methods[base], method))
        if record["method"] != base:
            row.update(_against(results, config, record, base))
        rows.append(row)
    order = [base, *names]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in NUMBERS:
        found[name] = [float("nan") if missing(value) else float(value) for value in found[name]]
    found["_at"] = found["method"].map(order.index)
    return found.sort_values(["task", "protocol", "_at"], kind="stable").drop(columns="_at").reset_index(drop=True)


def differences(base: MethodConfig, other: MethodConfig) -> list[str]:
    """The settings of a variant that are not the base's, as `key = value`, nested keys with dots."""
    return _different(
        {k: v for k, v in base.model_dump(mode="json").items() if k not in IGNORED},
        {k: v for k, v in other.model_dump(mode="json").items() if k not in IGNORED},
        "",
    )


def _different(base: Any, other: Any, place: str) -> list[str]:
    if isinstance(base, dict) and isinstance(other, dict):
        found = []
        for key in sorted({*base, *other}):
            found += _different(base.get(key), other.get(key), f"{place}.{key}" if place else str(key))
        return found
    if base == other:
        return []
    value = ", ".join(str(v) for v in other) if isinstance(other, list) else str(other)
    return [f"{place} = {value}"]


def _against(results: Path, config: StudyConfig, record: dict[str, Any], base: str) -> dict[str, Any]:
    from fernas.scoring.compare import compare_runs

    runs = {
        run.method: run
        for run in grid.runs(config)
        if (run.task, run.protocol) == (record["task"], record["protocol"]) and run.method in (base, record["method"])
    }
    try:
        own, other = (
            [read_parquet(_moved(results, config, runs[name].train_folder(s, t))) for s, t in runs[name].seeds]
            for name in (str(record["method"]), base)
        )
        found = compare_runs(own, other, seed=config.seed)
    except (KeyError, FernasError):
        return {}
    low, high = found["interval"]["uar"]
    return {
        "difference": found["difference"]["uar"],
        "difference_low": low,
        "difference_high": high,
        "p": found["swap"]["p"],
        "smallest_p": found["swap"]["smallest_p"],
        "unit": found["unit"],
    }


def _moved(results: Path, config: StudyConfig, folder: Path) -> Path:
    """The predictions of a training, in the results folder that was given instead of the config's."""
    return results / folder.relative_to(config.results) / "predictions.parquet"


def write_ablation(results: Path, stem: Path, config: StudyConfig, base: str = BASE) -> pd.DataFrame:
    """The table as csv, markdown and LaTeX at `stem`."""
    frame = ablation_table(results, config, base)
    caption = (
        f"Variants of {base}. Difference: UAR of the variant minus that of {base} in points, with its 95 % interval "
        "over subjects; p of the swap test, not adjusted for the number of variants"
    )
    write_forms(stem, frame, SHOWN, [_shown(record) for record in records_of(frame)], caption)
    return frame


def _shown(record: dict[str, Any]) -> tuple[str, ...]:
    difference = "-"
    if not missing(record["difference"]):
        low, high = percent(record["difference_low"]), percent(record["difference_high"])
        difference = f"{percent(record['difference'])} [{low}, {high}]"
    return (
        rendered_folder(str(record["task"]), bool(record["rendered"])),
        str(record["method"]),
        str(record["differs_in"]) or "-",
        score_text(record),
        difference,
        "-" if missing(record["p"]) else f"{float(record['p']):.3f}",
        "-" if missing(record["smallest_p"]) else f"{float(record['smallest_p']):.2g}",
        short_count(record["params"]),
        short_count(record["macs"]),
        short_count(record["search_macs"]),
        "" if record["status"] == "ok" else f"{record['status']}: {record['reason']}",
    )
