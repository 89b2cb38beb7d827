"""Which samples show the same image: exact copies as classes, near-duplicates as pairs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Duplicates:
    """Findings about the samples of one table.

    Attributes:
        copy_of: sample id -> number of its class of exact copies, only for samples that have a copy in another source.
        near: sample id -> the samples that look the same within the audit's limits.
    """

    copy_of: dict[str, int]
    near: dict[str, set[str]]

    def copies_across(self, side: Collection[str], other: Collection[str]) -> list[tuple[str, str]]:
        """(sample of `side`, an exact copy of it in `other`), in the order of `side`."""
        first: dict[int, str] = {}
        for sample in other:
            if sample in self.copy_of:
                first.setdefault(self.copy_of[sample], sample)
        return [(s, first[self.copy_of[s]]) for s in side if self.copy_of.get(s) in first]

    def near_across(self, side: Collection[str], other: Collection[str]) -> list[tuple[str, str]]:
        """(sample of `side`, a near-duplicate of it in `other`), in the order of `side`."""
        others = set(other)
        return [(s, min(found)) for s in side if (found := self.near.get(s, set()) & others)]


def find_duplicates(rows: "pd.DataFrame", audit: Mapping[str, Any] | None) -> Duplicates:
    """The duplicates among samples, by equal `sha256` and by the audit's pairs.

    Args:
        rows: samples; `source_id` and `sha256` are used where they stand.
        audit: `{"exact": [[id, id], ..], "near": [[id, id, distance, correlation], ..]}` of manifest ids, or None.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    samples = rows["sample_id"].tolist()
    sources = (rows["source_id"] if "source_id" in rows.columns else rows["sample_id"]).tolist()
    names = sorted(set(sources))
    place = {name: position for position, name in enumerate(names)}
    edges: list[tuple[int, int]] = [
        (place[pair[0]], place[pair[1]])
        for pair in (audit or {}).get("exact", ())
        if pair[0] in place and pair[1] in place
    ]
    if "sha256" in rows.columns:
        first: dict[str, int] = {}
        for source, digest in zip(sources, rows["sha256"].tolist(), strict=True):
            if isinstance(digest, str) and digest:
                edges.append((first.setdefault(digest, place[source]), place[source]))
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    has_copy = np.bincount(component) > 1
    copy_of = {
        s: int(component[place[o]]) for s, o in zip(samples, sources, strict=True) if has_copy[component[place[o]]]
    }

    of_source: dict[str, list[str]] = {}
    for sample, source in zip(samples, sources, strict=True):
        of_source.setdefault(source, []).append(sample)
    near: dict[str, set[str]] = {}
    for left, right, *_ in (audit or {}).get("near", ()):
        for a in of_source.get(left, ()):
            for b in of_source.get(right, ()):
                near.setdefault(a, set()).add(b)
                near.setdefault(b, set()).add(a)
    return Duplicates(copy_of, near)


def unit_groups(rows: "pd.DataFrame", found: Duplicates) -> dict[str, str]:
    """Samples without a subject -> the name of their group, where it has two samples or more.

    A group holds what is not independent: exact copies, near-duplicates, and samples of one sequence or source (the
    column `group`). Its name is that of its first sample. Intervals resample whole groups.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    anonymous = rows[rows["subject"].isna()]
    names = sorted(anonymous["sample_id"].tolist())
    if not names:
        return {}
    place = {name: position for position, name in enumerate(names)}
    edges: list[tuple[int, int]] = []
    for column in (anonymous["group"].tolist(), [found.copy_of.get(s) for s in anonymous["sample_id"]]):
        first: dict[object, int] = {}
        for sample, key in zip(anonymous["sample_id"], column, strict=True):
            if key is not None:
                edges.append((first.setdefault(key, place[sample]), place[sample]))
    edges += [(place[a], place[b]) for a, others in found.near.items() for b in others if a in place and b in place]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    sizes = np.bincount(component)
    head: dict[int, str] = {}
    for name in names:
        head.setdefault(int(component[place[name]]), name)
    return {name: head[int(component[place[name]])] for name in names if sizes[component[place[name]]] > 1}
