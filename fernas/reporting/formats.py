"""Short texts of values: percent, intervals, p values, large numbers; a dash for nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from fernas.scoring.intervals import NOT_ESTIMABLE


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries."""
    return [{str(key): value for key, value in record.items()} for record in frame.to_dict("records")]


def task_groups(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(task, protocol, its rows) in the order of the frame."""
    for (task, protocol), block in frame.groupby(["task", "protocol"], sort=False):  # type: ignore[misc]
        yield str(task), str(protocol), block


def rows_of(frame: pd.DataFrame, task: str, protocol: str) -> pd.DataFrame:
    """The rows of one task under one protocol."""
    return frame[(frame["task"] == task) & (frame["protocol"] == protocol)]


def missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return value is None or bool(pd.isna(value))


def plain(value: Any, nothing: str = "-") -> str:
    """A value as text, a dash for nothing."""
    return nothing if missing(value) or value == "" else str(value)


def optional(value: Any) -> str:
    """A value as text, nothing for nothing."""
    return plain(value, "")


def spaced(value: Any) -> str:
    """A name with spaces for its underscores."""
    return str(value or "").replace("_", " ")


def percent(value: Any) -> str:
    """A fraction as percent with one decimal."""
    return "-" if missing(value) else f"{100 * float(value):.1f}"


def score(value: Any, low: Any, high: Any) -> str:
    """A score with its confidence interval in percent, for example `64.1 [55.0, 72.3]`."""
    if missing(value):
        return "-"
    bounds = NOT_ESTIMABLE if missing(low) or missing(high) else f"{percent(low)}, {percent(high)}"
    return f"{percent(value)} [{bounds}]"


def uar_text(record: Mapping[str, Any]) -> str:
    """The UAR of a row of the comparison with its confidence interval."""
    return score(record["uar"], record["uar_low"], record["uar_high"])


def gap(value: Any, *bounds: Any) -> str:
    """A difference of scores in percentage points, for example `+3.2 [-1.0, +7.5]` with the bounds of its interval."""
    if missing(value):
        return "-"
    text = f"{100 * float(value):+.1f}"
    if not bounds:
        return text
    inside = NOT_ESTIMABLE if any(map(missing, bounds)) else ", ".join(f"{100 * float(bound):+.1f}" for bound in bounds)
    return f"{text} [{inside}]"


def p_value(p: Any) -> str:
    """A p value in short: `0.41`, `0.0030`, `3e-05`."""
    if missing(p):
        return "-"
    if p < 0.0001:
        return f"{p:.0e}"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def fixed(digits: int, unit: float = 1.0) -> Callable[[Any], str]:
    """A format of numbers: so many decimals, in the given unit."""
    return lambda value: "-" if missing(value) else f"{float(value) / unit:.{digits}f}"


def digits(count: int) -> Callable[[Any], str]:
    """A format of numbers with that many significant digits."""
    return lambda value: "-" if missing(value) else f"{float(value):.{count}g}"


def short_count(value: Any) -> str:
    """A large number with three digits and a unit letter: 541k, 3.35M, 1.20G, 4.10T, 6.00P."""
    if missing(value):
        return "-"
    size = float(value)
    for unit in ("", "k", "M", "G", "T", "P"):
        if abs(size) < 999.5 or unit == "P":
            decimals = 0 if unit == "" and size == int(size) else max(0, 2 - len(str(int(abs(size)))) + 1)
            return f"{size:.{decimals}f}{unit}"
        size /= 1000
    raise AssertionError("unreachable")


def listed(names: list[str]) -> str:
    """Names as a sentence lists them; of more than three the first two and a count."""
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
