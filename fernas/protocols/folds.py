"""The fold documents: the training sides for search and training, the test sides for prediction alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.core.seeds import derive_seed, rng
from fernas.protocols._base import Fold, Protocol, checked, ids
from fernas.protocols._duplicates import find_duplicates, unit_groups
from fernas.protocols.parts import NAMES, Parts, split_checked

if TYPE_CHECKING:
    import pandas as pd

Policy = Literal["report", "drop_train", "fail"]
Document = dict[str, Any]
PARTS = {"weights": 0.45, "selection": 0.35, "inner_validation": 0.2}


def make_folds(
    table: "pd.DataFrame",
    kind: str,
    options: Mapping[str, Any] | None = None,
    groups: int = 2,
    parts: Mapping[str, float] | None = None,
    seed: int = 0,
    duplicates: Mapping[str, Any] | None = None,
    policy: Policy = "report",
    name: str | None = None,
    classes: Sequence[str] | None = None,
    same_people: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Document, Document]:
    """Split the samples of a task.

    The inner validation of a fold never holds a subject from whom the search of its group has learnt.

    Args:
        table: one row per sample: sample_id, dataset, subject, group, label; also split, source_id, sha256 if known.
        kind: a plug-in of `fernas/protocols`.
        options: its options.
        groups: G; the folds are shared out into G groups, evenly for each dataset.
        parts: shares of weights, selection and inner_validation.
        seed: base of all random choices.
        duplicates: the findings of the dataset's audit, see `_duplicates.find_duplicates`.
        policy: near-duplicates across sides of datasets without subjects: `report`, `drop_train`, or `fail` (then exact
            copies fail too). Unless `fail`, exact copies of test samples always leave the training side there.
        name: the protocol's name in the study; `kind` by default.
        classes: the classes of the task in their order; by default those of the table, sorted.
        same_people: dataset -> datasets that show the same people, needed by protocols that split by dataset.

    Returns:
        Training document and test document. Training: protocol, kind, replica, tests_once, title, note, notes, classes,
        seed; folds (fold, name, group and the three parts); groups (group, its folds, the parts of their search pool:
        what all of its folds train on, without any test unit of theirs); whole (the parts of all samples, for the scope
        whole_dataset) and whole_matched (of as many units as the pools have on average, for the optimism gap);
        published (only `official`: search pools by position); dropped (per fold); table (sample id -> subject or None);
        unit_groups (sample id without a subject -> its group of duplicates, for intervals).
        Test: protocol, folds (fold, test).

    Raises:
        DataError: the samples cannot be split so; the text says what is missing.
        ConfigError: unknown protocol, wrong options.
    """
    if same_people is not None:
        table = table.copy()
        table.attrs["same_people_as"] = {dataset: list(others) for dataset, others in same_people.items()}
    protocol: Protocol = plugins.load("protocols", kind)
    checked_options = protocol.options(options)
    where = f"protocol {name or kind}"
    rows = checked(table, where)
    shares = dict(parts or PARTS)
    folds = protocol.split(rows, checked_options, derive_seed(seed, "split"))
    notes = [] if protocol.replica else _train_has_every_class(folds, rows, where)
    if groups > len(folds):
        raise DataError(
            f"{where}: got {len(folds)} folds, fewer folds than groups ({groups}); set groups to {len(folds)}"
        )
    folds, dropped = _drop_copies(folds, rows, protocol, duplicates, policy)
    if dropped:
        notes.append(f"{len({d['sample_id'] for d in dropped})} training samples dropped as copies of test samples")
    group_of = _group_folds(folds, rows, groups, seed)
    pools, documents = [], []
    for group in range(groups):
        members = [k for k, number in enumerate(group_of) if number == group]
        pool, inner = _pool([folds[k] for k in members], rows, protocol.replica)
        if not pool:
            raise DataError(
                f"{where}: the {len(members)} folds of group {group} leave no sample to search on; "
                f"expected more groups (at least 2 where every subject is tested)"
            )
        search = split_checked(pool, rows, shares, seed, f"group {group}", inner)
        pools.append(pool)
        documents.append({"group": group, "folds": members, **search.document()})
        notes += _missing(search, rows, group)
        for k in members:
            fold = folds[k]
            found = split_checked(
                fold.train,
                rows,
                shares,
                seed,
                f"fold {fold.name}",
                fold.inner_validation,
                search.weights + search.selection,
            )
            documents.append({"fold": k, "name": fold.name, "group": group, **found.document()})
    everything = ids(rows)
    train: Document = {
        "protocol": name or kind,
        "kind": kind,
        "replica": protocol.replica,
        "tests_once": protocol.tests_once,
        "title": protocol.title,
        "note": protocol.note(rows, checked_options),
        "notes": notes,
        "classes": list(classes) if classes is not None else sorted(set(rows["label"])),
        "seed": seed,
        "folds": sorted((d for d in documents if "fold" in d), key=lambda d: d["fold"]),
        "groups": [d for d in documents if "folds" in d],
        "whole": split_checked(everything, rows, shares, seed, "whole").document(),
        "whole_matched": _whole_matched(pools, rows, shares, seed),
        "dropped": dropped,
        "table": dict(zip(rows["sample_id"], rows["subject"], strict=True)),
        "unit_groups": unit_groups(rows, find_duplicates(rows, duplicates)),
    }
    if kind == "official":
        train["published"] = _published(folds[0], rows)
    test: Document = {
        "protocol": name or kind,
        "folds": [{"fold": k, "test": list(fold.test)} for k, fold in enumerate(folds)],
    }
    return train, test


def _train_has_every_class(folds: Sequence[Fold], rows: "pd.DataFrame", where: str) -> list[str]:
    """Notes about classes that a fold tests and cannot learn; a class with one unit alone is an error."""
    label_of = dict(zip(rows["sample_id"], rows["label"], strict=True))
    notes = []
    for fold in folds:
        for label in sorted({label_of[i] for i in fold.test} - {label_of[i] for i in fold.train}):
            units = sorted(set(rows.loc[rows["label"] == label, "unit"]))
            if len(units) == 1:
                raise DataError(
                    f"{where}: the class {label!r} has one subject or group alone ({units[0]!r}), so fold {fold.name} "
                    f"tests it with nothing to learn it from; expected at least two, or the class left out (rare: drop)"
                )
            notes.append(f"fold {fold.name}: tests the class {label!r} and has none of it to learn from")
    return notes


def _drop_copies(
    folds: Sequence[Fold],
    rows: "pd.DataFrame",
    protocol: Protocol,
    duplicates: Mapping[str, Any] | None,
    policy: Policy,
) -> tuple[list[Fold], list[dict[str, Any]]]:
    """Folds without training samples that copy a test sample, in datasets without subjects; and what was dropped."""
    if protocol.replica or policy == "fail" or rows["subject"].notna().all():
        return list(folds), []
    found = find_duplicates(rows, duplicates)
    anonymous = set(rows.loc[rows["subject"].isna(), "sample_id"])
    kept, dropped = [], []
    for k, fold in enumerate(folds):
        reasons = {s: "exact" for s, _ in found.copies_across(fold.train, fold.test)}
        if policy == "drop_train":
            reasons = {s: "near" for s, _ in found.near_across(fold.train, fold.test)} | reasons
        reasons = {s: reason for s, reason in reasons.items() if s in anonymous}
        dropped += [{"fold": k, "sample_id": s, "reason": reasons[s]} for s in sorted(reasons)]
        inner = fold.inner_validation
        kept.append(
            Fold(
                fold.name,
                tuple(s for s in fold.train if s not in reasons),
                fold.test,
                None if inner is None else tuple(s for s in inner if s not in reasons),
            )
        )
    return kept, dropped


def _group_folds(folds: Sequence[Fold], rows: "pd.DataFrame", groups: int, seed: int) -> list[int]:
    """The group of each fold: for each dataset as many in each group as possible, classes shared out evenly."""
    import numpy as np

    from fernas.protocols._balance import assign, class_counts

    if groups == 1:
        return [0] * len(folds)
    label_of = dict(zip(rows["sample_id"], rows["label"], strict=True))
    dataset_of = dict(zip(rows["sample_id"], rows["dataset"], strict=True))
    datasets = [tuple(sorted({dataset_of[i] for i in fold.test})) for fold in folds]
    fold_of = np.concatenate([np.full(len(fold.test), k) for k, fold in enumerate(folds)])
    _, counts = class_counts(fold_of, np.array([label_of[i] for fold in folds for i in fold.test], dtype=str))
    generator = rng(seed, "groups")
    group_of = np.zeros(len(folds), int)
    filled = np.zeros(groups, int)
    for dataset in sorted(set(datasets)):
        members = np.array([k for k, own in enumerate(datasets) if own == dataset])
        quota = np.full(groups, len(members) // groups)
        quota[np.argsort(filled, kind="stable")[: len(members) % groups]] += 1
        group_of[members] = assign(counts[members], (quota > 0) / (quota > 0).sum(), generator, quota=quota)
        filled += quota
    return group_of.tolist()


def _pool(folds: Sequence[Fold], rows: "pd.DataFrame", replica: bool) -> tuple[list[str], list[str] | None]:
    """The search pool of a group, and the part of it that its dataset sets aside for validation (or None).

    The pool is what every fold of the group trains on; no unit of it is tested by one of them (by a replica's folds,
    which split units, no sample of it is).
    """
    shared = set(folds[0].train).intersection(*(fold.train for fold in folds[1:]))
    if not replica:
        tested = {i for fold in folds for i in fold.test}
        units = set(rows.loc[rows["sample_id"].isin(tested), "unit"])
        shared -= set(rows.loc[rows["unit"].isin(units), "sample_id"])
    pool = [i for i in rows["sample_id"] if i in shared]
    given = [fold.inner_validation for fold in folds if fold.inner_validation is not None]
    if len(given) < len(folds):
        return pool, None
    inner = set(given[0]).intersection(*given[1:])
    return pool, [i for i in pool if i in inner]


def _missing(parts: Parts, rows: "pd.DataFrame", group: int) -> list[str]:
    """Notes about classes of the task that the search of a group never sees."""
    seen = set(rows.loc[rows["sample_id"].isin({i for part in NAMES for i in getattr(parts, part)}), "label"])
    return [f"group {group}: the search pool has no sample of {label!r}" for label in sorted(set(rows["label"]) - seen)]


def _whole_matched(
    pools: Sequence[Sequence[str]], rows: "pd.DataFrame", shares: Mapping[str, float], seed: int
) -> Document:
    """The parts of a subsample of all units, as many as the pools of the groups have on average."""
    import numpy as np

    from fernas.protocols._balance import assign, class_counts

    unit_of = dict(zip(rows["sample_id"], rows["unit"], strict=True))
    wanted = round(float(np.mean([len({unit_of[i] for i in pool}) for pool in pools])))
    kinds = rows["dataset"].astype(str) + "\t" + rows["label"].astype(str)
    names, counts = class_counts(rows["unit"].to_numpy(str), kinds.to_numpy(str))
    if wanted >= len(names):
        kept = set(names.tolist())
    else:
        quota = np.array([wanted, len(names) - wanted])
        side = assign(counts, quota / quota.sum(), rng(seed, "whole_matched"), quota=quota)
        kept = set(names[side == 0].tolist())
    chosen = rows.loc[rows["unit"].isin(kept), "sample_id"].tolist()
    return split_checked(chosen, rows, shares, seed, "whole_matched").document()


def _published(fold: Fold, rows: "pd.DataFrame") -> Document:
    """Auto-FERNet's search pools: all samples in the order train, validation, test; the first half gives weights.

    The published code halves by position and has no inner validation; a leak, since it holds the test side.
    """
    inner = set(fold.inner_validation or ())
    last = set(fold.test)
    first = [i for i in fold.train if i not in inner]
    ordered = [*first, *(fold.inner_validation or ()), *(i for i in rows["sample_id"] if i in last)]
    half = len(ordered) // 2
    return {"weights": ordered[:half], "selection": ordered[half:], "inner_validation": []}
