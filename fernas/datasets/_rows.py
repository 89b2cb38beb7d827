"""The columns of a manifest, and rows as a table with those columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fernas.core.images import natural_key

COLUMNS = {
    "sample_id": "str", "dataset": "str", "subject": "text", "group": "str", "label": "text", "raw_label": "str",
    "split": "text", "kind": "str", "frames": "object", "onset": "Int64", "apex": "Int64", "offset": "Int64",
    "apex_source": "text", "fps": "float64", "sha256": "text", "box": "object", "attributes": "text",
    "excluded": "text",
}  # fmt: skip


class Problems(list[str]):
    """What is odd in the files, for `attrs["problems"]`.

    pandas copies `attrs` deeply with every column that is taken; a hundred copies of 300,000 texts take minutes.
    """

    def __deepcopy__(self, memo: object) -> "Problems":
        return self


def typed(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Rows -> data frame with these columns; absent text is None, absent positions are <NA>."""
    data: dict[str, Any] = {}
    for name, kind in columns.items():
        values = [row.get(name) for row in rows]
        if kind in ("Int64", "float64"):
            # nullable integers: a column with one absent position would turn into floats otherwise
            data[name] = pd.Series(values, dtype="Int64") if kind == "Int64" else pd.Series(values, dtype="float64")
        else:
            data[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(data)


def merged(parts: Iterable[pd.DataFrame], problems: list[str]) -> pd.DataFrame:
    """The manifest of a composite from the rows that it takes of its parts."""
    table = pd.concat(list(parts), ignore_index=True)
    # the manifest's order is natural over all ids, whatever the order of the parts
    order = sorted(range(len(table)), key=lambda at: natural_key(str(table["sample_id"].iloc[at])))
    table = table.iloc[order].reset_index(drop=True)
    table.attrs = {"problems": Problems(problems), "ships_crops": False, "expected": {}}
    return table
