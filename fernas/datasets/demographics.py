"""Demographic groups: attributes that a dataset publishes, and the skin tone of rendered faces."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fernas.datasets._base import attributes_of

ATTRIBUTES = {
    "sex": ("sex", "gender"), "race": ("race",), "age": ("age",), "skin_tone": ("skin_tone",), "glasses": ("glasses",),
    "beard": ("beard",),
}  # fmt: skip
"""Attribute -> the keys under which adapters keep it."""


def sample_groups(manifest: pd.DataFrame, truths: Iterable[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """Sample -> demographic group per attribute.

    Args:
        manifest: its attributes are read.
        truths: the renderer's sidecars of rendered datasets.

    Returns:
        `sample_id` and one column of texts per attribute that is known of any sample; unknown values are None.
    """
    rendered = {clip["sample_id"]: clip["skin_tone"] for t in truths for clip in t["clips"] if "skin_tone" in clip}
    known: dict[str, list[str | None]] = {name: [] for name in ATTRIBUTES}
    for row in manifest.to_dict("records"):
        attributes = attributes_of({str(key): value for key, value in row.items()})
        if row["sample_id"] in rendered:
            # the rendered files do not hold the skin tone, the renderer's sidecar does
            attributes["skin_tone"] = rendered[row["sample_id"]]
        for name, spellings in ATTRIBUTES.items():
            values = [str(attributes[key]).strip() for key in spellings if attributes.get(key) not in (None, "")]
            known[name].append(values[0] if values else None)
    columns = {name: pd.Series(values, dtype=object) for name, values in known.items() if any(values)}
    return pd.DataFrame({"sample_id": manifest["sample_id"].reset_index(drop=True), **columns})
