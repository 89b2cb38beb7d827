"""The gap in recall between groups of people, as the report shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Gap:
    """How far apart the groups of one attribute are for one method; shares of 1, averaged over seeds.

    Attributes:
        attribute: what the groups differ in.
        gap: recall of the best served group minus that of the worst served.
        interval: of the gap where there is one seed, else None.
        recalls: group -> (recall, samples), best first.
    """

    attribute: str
    gap: float
    interval: tuple[float, float] | None
    recalls: tuple[tuple[str, float, int], ...]


def group_gaps(scores: Sequence[dict[str, Any]]) -> list[Gap]:
    """The gaps of one method from the scores of its seeds, in the order of the attributes' names."""
    found = [document["groups"] for document in scores if document.get("groups")]
    names = sorted({name for groups in found for name in groups})
    gaps = []
    for name in names:
        seeds = [groups[name] for groups in found if name in groups]
        members = [m for m in seeds[0]["groups"] if all(m in seed["groups"] for seed in seeds)]
        recalls = [
            (m, float(np.mean([seed["groups"][m]["recall"] for seed in seeds])), int(seeds[0]["groups"][m]["samples"]))
            for m in members
        ]
        recalls.sort(key=lambda item: -item[1])
        pair = seeds[0]["interval"]
        interval = (float(pair[0]), float(pair[1])) if len(seeds) == 1 and None not in pair else None
        if len(recalls) > 1:
            gaps.append(Gap(name, recalls[0][1] - recalls[-1][1], interval, tuple(recalls)))
    return gaps
