"""Splits and classes of a dataset beside each other: a split that was blurred, a class that was encoded again.

Compared are sharpness, contrast, brightness, size and bytes of images drawn at random. A group (a split, a class) is
named if it differs from all others of its kind both much and significantly: classes differ a little by nature, and with
many images the smallest difference is significant. The unit is the subject (the sequence or the image where there are
none), because images of one subject are alike: the test compares one median per subject.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fernas.core.seeds import rng

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PER_CELL = 100  # images per dataset, split and class
LEVEL = 0.01  # of all tests of an audit together (Bonferroni)
LEAST_DELTA = 0.5  # Cliff's delta of units; 0.474 and above is called large (Romano et al. 2006)
LEAST_RATIO = 1.25  # of medians
LEAST_GREY = 20.0  # difference of median brightness, grey values of 0..255
METRICS = {
    "sharpness": "sharpness",
    "contrast": "contrast",
    "brightness": "brightness",
    "side": "image size",
    "bytes": "bytes per image",
}
Row = dict[str, Any]


def drawn_images(usable: "pd.DataFrame") -> set[int]:
    """Positions of the rows that are measured: at most PER_CELL of each dataset, split and class, drawn by name."""
    chosen: set[int] = set()
    positions = usable.reset_index(drop=True)
    for (dataset, split, label), cell in positions.groupby(["dataset", "split", "label"], dropna=False, sort=True):
        at = cell.index.to_numpy()
        generator = rng(0, "audit", "image statistics", str(dataset), str(split), str(label))
        chosen.update(generator.permutation(at)[:PER_CELL].tolist())
    return chosen


def image_statistics(grey: "np.ndarray", size: int | None) -> Row:
    """What is compared of one image.

    Args:
        grey: uint8 (H, W).
        size: bytes of its file, None where it is no file of its own.

    Returns:
        sharpness: mean absolute Laplacian (4x minus its four neighbours) of the image with mean 0 and SD 1, None for a
        flat image; contrast: SD of the grey values; brightness: their mean; side: sqrt(H W) px; bytes.
    """
    import numpy as np

    values = grey.astype(np.float32)
    mean, deviation = float(values.mean()), float(values.std())
    centre = values[1:-1, 1:-1]
    laplacian = 4 * centre - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    sharpness = float(np.abs(laplacian).mean()) / deviation if deviation and laplacian.size else None
    side = math.sqrt(grey.shape[0] * grey.shape[1])
    return {"sharpness": sharpness, "contrast": deviation, "brightness": mean, "side": side, "bytes": size}


def compare_groups(usable: "pd.DataFrame", measured: Mapping[int, Row]) -> dict[str, list[Row]]:
    """The splits and the classes of each dataset beside each other.

    Args:
        usable: rows of the manifest.
        measured: position of a row -> `image_statistics`.

    Returns:
        groups: rows {dataset, kind (split or class), name, images, and the median of each metric}; differences: rows
        {dataset, kind, name, metric, median, others (their median), delta (Cliff's delta of units), p}.
    """
    import pandas as pd

    at = sorted(measured)
    table = usable.iloc[at][["dataset", "split", "label", "subject", "group", "sample_id"]].reset_index(drop=True)
    table["unit"] = table["subject"].fillna(table["group"]).fillna(table["sample_id"])
    table = table.join(pd.DataFrame([measured[i] for i in at], columns=list(METRICS), dtype="float64"))
    kinds = [
        (str(dataset), kind, column, part)
        for dataset, part in table.groupby("dataset", sort=True)
        for kind, column in (("split", "split"), ("class", "label"))
        if part[column].nunique() > 1
    ]
    tests = len(METRICS) * sum(part[column].nunique() for _, _, column, part in kinds)
    groups: list[Row] = []
    differences: list[Row] = []
    for dataset, kind, column, part in kinds:
        where = {"dataset": dataset, "kind": kind}
        for name, rows in part.groupby(column, sort=False):
            medians = {m: None if rows[m].isna().all() else round(float(rows[m].median()), 4) for m in METRICS}
            groups.append({**where, "name": str(name), "images": len(rows), **medians})
        for metric in METRICS:
            found = _outliers(part, column, metric, LEVEL / tests)
            differences += [{**where, "metric": metric, **row} for row in found]
    return {"groups": groups, "differences": differences}


def _outliers(part: "pd.DataFrame", column: str, metric: str, level: float) -> list[Row]:
    """The groups of one metric that differ, the most different one first; each is compared without those before it."""
    import numpy as np
    from scipy.stats import mannwhitneyu

    known = part[part[metric].notna()].copy()
    known["value"] = known[metric] if metric == "brightness" else np.log(known[metric].clip(lower=1e-6))
    if column == "label" and known["split"].notna().any():
        # a split that differs must not make the classes differ that it holds more of
        known["value"] -= known.groupby("split", dropna=False)["value"].transform("median")
    found: list[Row] = []
    while known[column].nunique() > 1:
        rows: list[Row] = []
        for name, own in known.groupby(column, sort=False):
            others = known[known[column] != name]
            left, right = own.groupby("unit")["value"].median(), others.groupby("unit")["value"].median()
            statistic, p = mannwhitneyu(left, right)
            delta = 2 * statistic / (len(left) * len(right)) - 1
            apart = abs(left.median() - right.median())
            is_large = apart >= (LEAST_GREY if metric == "brightness" else math.log(LEAST_RATIO))
            if p < level and abs(delta) >= LEAST_DELTA and is_large:
                medians = {"median": float(own[metric].median()), "others": float(others[metric].median())}
                rows.append({"name": str(name), **medians, "delta": round(float(delta), 3), "p": float(p)})
        if not rows:
            break
        worst = max(rows, key=lambda row: abs(row["delta"]))
        found.append(worst)
        known = known[known[column].astype(str) != worst["name"]]
    return found


def difference_texts(differences: Sequence[Row], name_dataset: bool) -> list[str]:
    """One sentence per difference."""
    return [
        f"{row['dataset'] + ': ' if name_dataset else ''}{row['kind']} {row['name']} differs from the other"
        f" {'splits' if row['kind'] == 'split' else 'classes'} in {METRICS[row['metric']]}:"
        f" median {row['median']:.3g} against {row['others']:.3g} (Cliff's delta {row['delta']:.2f})"
        for row in differences
    ]
