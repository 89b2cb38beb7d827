"""Samples that show the same image: sets of exact copies, pairs of near-duplicates, and what intervals resample."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Duplicates:
    """Duplicates among the samples of one table.

    Attributes:
        set_of: sample id -> number of its set of exact copies; only for samples with a copy in another source.
        near: sample id -> the samples that look the same within the audit's limits.
    """

    set_of: dict[str, int]
    near: dict[str, set[str]]

    def exact_pairs(self, samples: Collection[str], others: Collection[str]) -> list[tuple[str, str]]:
        """(sample, its first exact copy among the others), in the order of `samples`."""
        first: dict[int, str] = {}
        for sample in others:
            if sample in self.set_of:
                first.setdefault(self.set_of[sample], sample)
        return [(s, first[self.set_of[s]]) for s in samples if self.set_of.get(s) in first]

    def near_pairs(self, samples: Collection[str], others: Collection[str]) -> list[tuple[str, str]]:
        """(sample, its first near-duplicate among the others), in the order of `samples`."""
        candidates = set(others)
        return [(s, min(similar)) for s in samples if (similar := self.near.get(s, set()) & candidates)]


def find_duplicates(rows: "pd.DataFrame", audit: Mapping[str, Any] | None) -> Duplicates:
    """The duplicates among samples, by equal `sha256` and by the audit's pairs.

    Args:
        rows: samples; the columns `source_id` and `sha256` are used where they exist.
        audit: `{"exact": [[id, id], ..], "near": [[id, id, distance, correlation], ..]}` of manifest ids, or None.
    """
    samples = rows["sample_id"].tolist()
    sources = (rows["source_id"] if "source_id" in rows.columns else rows["sample_id"]).tolist()
    names = sorted(set(sources))
    known = set(names)
    edges = [(a, b) for a, b in (audit or {}).get("exact", ()) if a in known and b in known]
    if "sha256" in rows.columns:
        edges += _same_value(sources, [d if isinstance(d, str) and d else None for d in rows["sha256"].tolist()])
    # Components, not pairs: a copy of a copy is a copy, even where the audit lists only neighbouring pairs.
    component, sizes = _components(names, edges)
    # several samples of one source (peak frames of a sequence) are no copies of each other
    set_of = {s: component[o] for s, o in zip(samples, sources, strict=True) if sizes[component[o]] > 1}

    samples_of: dict[str, list[str]] = {}
    for sample, source in zip(samples, sources, strict=True):
        samples_of.setdefault(source, []).append(sample)
    near: dict[str, set[str]] = {}
    for left, right, *_ in (audit or {}).get("near", ()):
        for a in samples_of.get(left, ()):
            for b in samples_of.get(right, ()):
                # pairs, not components: looking alike is not transitive, and chains could join a whole class
                near.setdefault(a, set()).add(b)
                near.setdefault(b, set()).add(a)
    return Duplicates(set_of, near)


def resampling_sets(rows: "pd.DataFrame", duplicates: Duplicates) -> dict[str, str]:
    """Samples without a subject -> the name of the set that they are resampled with; sets of one are left out.

    Samples of one set are not independent: exact copies, near-duplicates, or one sequence or source (the column
    `group`). A set has the name of its first sample. Confidence intervals resample whole sets.
    """
    anonymous = rows[rows["subject"].isna()]
    names = sorted(anonymous["sample_id"].tolist())
    if not names:
        return {}
    samples, known = anonymous["sample_id"].tolist(), set(names)
    edges = _same_value(samples, anonymous["group"].tolist())
    edges += _same_value(samples, [duplicates.set_of.get(s) for s in samples])
    edges += [(a, b) for a, similar in duplicates.near.items() for b in similar if a in known and b in known]
    component, sizes = _components(names, edges)
    first: dict[int, str] = {}
    for name in names:
        first.setdefault(component[name], name)
    return {name: first[component[name]] for name in names if sizes[component[name]] > 1}


def _same_value(names: Iterable[str], values: Iterable[Any]) -> list[tuple[str, str]]:
    """Edges from the first name that has a value to each other one that has it; None is no value."""
    first: dict[Any, str] = {}
    return [(first.setdefault(v, name), name) for name, v in zip(names, values, strict=True) if v is not None]


def _components(names: list[str], edges: list[tuple[str, str]]) -> tuple[dict[str, int], "np.ndarray"]:
    """Connected components: name -> number of its component, and the size of each component."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {name: position for position, name in enumerate(names)}
    ends = np.array([(number[a], number[b]) for a, b in edges], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    return dict(zip(names, component.tolist(), strict=True)), np.bincount(component)
