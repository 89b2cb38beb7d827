"""Read predictions (parquet or csv) and check them before anything is computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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

    Raises:
        DataError: the file, a column or a row is not as it must be; the text names it.
    """
    import pandas as pd

    where = str(path)
    if Path(path).suffix.lower() in (".csv", ".txt"):
        try:
            texts = dict.fromkeys(TEXTS, "str")
            table = pd.read_csv(path, dtype=texts, encoding="utf-8-sig", keep_default_na=False, na_values=[""])
        except FileNotFoundError as error:
            raise DataError(f"{where}: no such file") from error
        except (ValueError, OSError) as error:
            raise DataError(f"{where}: not a readable csv ({error})") from error
        if "dataset" not in table.columns and "sample_id" in table.columns and len(table):
            heads = [sample.split("/") for sample in table["sample_id"].astype(str)]
            if min(len(head) for head in heads) >= 3:
                table["dataset"] = [head[0] for head in heads]
    else:
        if Path(path).exists() and not Path(path).stat().st_size:
            raise DataError(
                f"{where}: empty file, expected predictions (the run it belongs to failed: see its status.json)"
            )
        table = read_parquet(path)
    return check_predictions(table, where, classes)


def check_predictions(table: "pd.DataFrame", where: str, classes: Sequence[str] | None = None) -> "pd.DataFrame":
    """The predictions with `p_<class>` in the order of `classes` (of the columns by default), or a DataError."""
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        near = did_you_mean(missing[0], table.columns.astype(str))
        raise DataError(
            f"{where}: no column {missing[0]!r}{near}; expected sample_id, subject, fold, label, p_<class>..."
        )
    found = class_names(table)
    if len(found) < 2:
        raise DataError(f"{where}: {len(found)} columns p_<class>, expected one per class, at least two")
    wanted = list(classes) if classes is not None else found
    if set(wanted) != set(found):
        raise DataError(f"{where}: probabilities of {', '.join(found)}; expected those of {', '.join(wanted)}")
    if not len(table):
        raise DataError(f"{where}: no rows, expected one per tested sample")
    _check_rows(table, wanted, where)
    kept = [name for name in (*TEXTS, "fold") if name in table.columns]
    return table[kept + [PREFIX + name for name in wanted]].reset_index(drop=True)


def class_names(table: "pd.DataFrame") -> list[str]:
    """The classes of the columns `p_<class>`, in their order."""
    return [str(column).removeprefix(PREFIX) for column in table.columns if str(column).startswith(PREFIX)]


def _check_rows(table: "pd.DataFrame", classes: Sequence[str], where: str) -> None:
    import numpy as np
    import pandas as pd

    def row(place: int) -> str:
        return f"{where}: row {place + 1} (sample {table['sample_id'].iloc[place]!r})"

    for name in NEEDED:
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise DataError(f"{row(int(empty[0]))}: {name} is empty")
    strange = np.flatnonzero(~table["label"].isin(list(classes)))
    if len(strange):
        label = str(table["label"].iloc[strange[0]])
        near = did_you_mean(label, classes)
        raise DataError(f"{row(int(strange[0]))}: unknown label {label!r}{near}; expected {', '.join(classes)}")
    twice = np.flatnonzero(table.duplicated(["sample_id", "fold"]))
    if len(twice):
        raise DataError(f"{row(int(twice[0]))}: the sample stands twice in fold {table['fold'].iloc[twice[0]]}")
    values = np.empty((len(table), len(classes)))
    for position, name in enumerate(classes):
        column = pd.to_numeric(table[PREFIX + name], errors="coerce").to_numpy(np.float64)
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            got = table[PREFIX + name].iloc[bad[0]]
            raise DataError(f"{row(int(bad[0]))}: p_{name} is {got!r}, expected a probability")
        values[:, position] = column
    outside = np.argwhere((values < -RANGE_TOLERANCE) | (values > 1 + RANGE_TOLERANCE))
    if len(outside):
        place, position = outside[0]
        got = f"p_{classes[position]} is {values[place, position]:g}"
        raise DataError(f"{row(int(place))}: {got}, expected a probability between 0 and 1")
    off = np.flatnonzero(np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE + RANGE_TOLERANCE)
    if len(off):
        total = values[off[0]].sum()
        raise DataError(
            f"{row(int(off[0]))}: the probabilities sum to {total:g}, expected 1 (within {SUM_TOLERANCE:g})"
        )
