"""Read predictions (parquet or csv) and check them before any score is computed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.errors import DataError, did_you_mean
from fernas.core.io import read_parquet

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "p_"
NEEDED = ("sample_id", "fold", "label")
TEXTS = ("sample_id", "subject", "dataset", "group", "label", "face_status")
SUM_TOLERANCE = 1e-3
RANGE_TOLERANCE = 1e-6


def read_predictions(path: Path | str, classes: Sequence[str] | None = None) -> "pd.DataFrame":
    """Predictions of a parquet or csv file: one row per tested sample.

    Columns: sample_id, fold, label and one probability `p_<class>` per class; subject, dataset, group and face_status
    where the file has them. A csv without `dataset` whose ids read `<dataset>/<subject>/...` gets it from the ids.
    Subjects whose name occurs in several datasets are `<dataset>/<subject>` in the result: they are different people.

    Raises:
        DataError: the file, a column or a row is not as it must be; the message names it.
    """
    where = str(path)
    if Path(path).suffix.lower() in (".csv", ".txt"):
        return check_predictions(_read_csv(path), where, classes)
    if Path(path).exists() and not Path(path).stat().st_size:
        raise DataError(
            f"{where}: empty file, expected predictions (the run it belongs to failed: see its status.json)"
        )
    return check_predictions(read_parquet(path), where, classes)


def _read_csv(path: Path | str) -> "pd.DataFrame":
    import pandas as pd

    try:
        texts = dict.fromkeys(TEXTS, "str")  # ids and labels such as 001 or NA stay as they are
        # utf-8-sig drops the byte order mark that spreadsheets write
        table = pd.read_csv(path, dtype=texts, encoding="utf-8-sig", keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable csv ({error})") from error
    if "dataset" not in table.columns and "sample_id" in table.columns and len(table):
        ids = [sample.split("/") for sample in table["sample_id"].astype(str)]
        if min(len(parts) for parts in ids) >= 3:
            table["dataset"] = [parts[0] for parts in ids]
    return table


def check_predictions(table: "pd.DataFrame", where: str, classes: Sequence[str] | None = None) -> "pd.DataFrame":
    """The predictions with `p_<class>` in the order of `classes` (of the columns by default), or a DataError."""
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        near = did_you_mean(missing[0], table.columns.astype(str))
        raise DataError(
            f"{where}: no column {missing[0]!r}{near}; expected sample_id, subject, fold, label, p_<class>..."
        )
    names = class_names(table)
    if len(names) < 2:
        raise DataError(f"{where}: {len(names)} columns p_<class>, expected one per class, at least two")
    wanted = list(classes) if classes is not None else names
    if set(wanted) != set(names):
        raise DataError(f"{where}: probabilities of {', '.join(names)}; expected those of {', '.join(wanted)}")
    if not len(table):
        raise DataError(f"{where}: no rows, expected one per tested sample")
    _check_rows(table, wanted, where)
    others = [name for name in (*TEXTS, "fold") if name in table.columns]
    checked = table[others + [PREFIX + name for name in wanted]].reset_index(drop=True)
    return _apart_by_dataset(checked) if {"subject", "dataset"} <= set(others) else checked


def _apart_by_dataset(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with `<dataset>/<subject>` for subjects whose name occurs in several datasets."""
    shared = table.groupby("subject")["dataset"].transform("nunique") > 1
    if not shared.any():
        return table
    full = table["dataset"].astype(str) + "/" + table["subject"].astype(str)
    return table.assign(subject=table["subject"].mask(shared, full))


def class_names(table: "pd.DataFrame") -> list[str]:
    """The classes of the columns `p_<class>`, in their order."""
    return [str(column).removeprefix(PREFIX) for column in table.columns if str(column).startswith(PREFIX)]


def _check_rows(table: "pd.DataFrame", classes: Sequence[str], where: str) -> None:
    """Refuse the first row with an empty field, an unknown label, a repeated sample or bad probabilities."""
    import numpy as np
    import pandas as pd

    def refuse(mask: Any, message: Callable[[int], str]) -> None:
        """Raise a DataError about the first row of a mask (N,)."""
        rows = np.flatnonzero(mask)
        if len(rows):
            row = int(rows[0])
            raise DataError(f"{where}: row {row + 1} (sample {table['sample_id'].iloc[row]!r}): {message(row)}")

    def label_message(row: int) -> str:
        label = str(table["label"].iloc[row])
        return f"unknown label {label!r}{did_you_mean(label, classes)}; expected {', '.join(classes)}"

    for name in (name for name in (*TEXTS, "fold") if name in table.columns):
        odd = ~table[name].map(pd.api.types.is_hashable).astype(bool)
        refuse(odd, lambda row: f"{name} is {table[name].iloc[row]!r:.60}, expected a text or a number")  # noqa: B023
    for name in NEEDED:
        empty = f"{name} is empty"
        refuse(table[name].isna(), lambda _: empty)  # noqa: B023  called at once
    refuse(~table["label"].isin(list(classes)), label_message)
    twice = table.duplicated(["sample_id", "fold"])
    refuse(twice, lambda row: f"the sample occurs twice in fold {table['fold'].iloc[row]}")
    columns = [PREFIX + name for name in classes]
    values = np.stack([pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64) for name in columns], axis=1)
    infinite = ~np.isfinite(values)
    outside = (values < -RANGE_TOLERANCE) | (values > 1 + RANGE_TOLERANCE)

    def text_message(row: int) -> str:
        name = columns[int(infinite[row].argmax())]
        value = table[name].iloc[row]
        return f"{name} is {repr(value) if isinstance(value, str) else value}, expected a probability"

    def range_message(row: int) -> str:
        column = int(outside[row].argmax())
        return f"{columns[column]} is {values[row, column]:g}, expected a probability between 0 and 1"

    refuse(infinite.any(axis=1), text_message)
    refuse(np.asarray(outside).any(axis=1), range_message)
    sums = values.sum(axis=1)
    off = np.abs(sums - 1) > SUM_TOLERANCE + RANGE_TOLERANCE
    refuse(off, lambda row: f"the probabilities sum to {sums[row]:g}, expected 1 (within {SUM_TOLERANCE:g})")
