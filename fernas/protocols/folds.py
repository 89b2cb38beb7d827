"""The folds of a task: which subjects train a network, which ones choose it, and which ones test it.

What it does. A protocol (one file of this package) splits the samples of a task into folds: pairs of a train split and
a test split. Folds are then gathered in fold groups (config key `groups`). All folds of a fold group share one search;
its pool holds what every one of them trains on. Each train split and each pool is cut into three parts: `weights`
(gradients of the network), `selection` (gradients of the alphas, fitness, choice among candidates) and
`inner_validation` (choice of the epoch, reporting).

Terms.
    unit           what no split may cut: the subject; without subjects the sequence; without both the sample itself
    sequence       samples of one recording or source, the column `group` of the samples
    fold group     folds that share a search, the key `group` of the documents
    duplicate set  exact copies of one image (`_duplicate_sets`)

Invariants. `audit_folds` checks the first four again on the written documents.
    1. No test unit of a fold is in one of its parts.
    2. No unit that a fold of a group tests is in the search pool of the group.
    3. The parts of one entry share no unit.
    4. No exact copy of a test sample is trained on: datasets without subjects drop it, elsewhere the audit fails.
    5. The inner validation of a fold holds no unit from whose weights or selection the search of its group has learnt:
       otherwise the chosen epoch would be judged by what the architecture was fitted to.
    6. The documents depend on the samples and the seed, not on the order of rows.
    A replica of a published split may break 1, 2 and 4; its leaks are counted. The `published` pools hold test samples.

The documents.
    folds.train.json   read by search and training
        protocol, kind, replica, tests_once, title, note, notes, classes, seed
        folds          fold, name, group and the three parts
        groups         group, its folds and the parts of its pool
        whole          parts of all samples, for the scope whole_dataset
        whole_matched  parts of as many units as the pools have on average, for the optimism gap
        published      pools by position (only `official`)
        dropped        copies of test samples, per fold
        table          sample id -> subject or None
        unit_groups    sample without a subject -> the set that it is resampled with
    folds.test.json    read by prediction and the audit alone
        protocol, folds (fold, test)

What may be touched. Keys may be added and texts may change. The names of random streams ("split", "groups", "parts",
"whole_matched", the names given to `PartSplitter.split`) and the order of draws may not: every fold would change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fernas.core import plugins
from fernas.core.errors import DataError
from fernas.core.seeds import derive_seed, rng
from fernas.protocols._base import Fold, Protocol, checked, ids
from fernas.protocols._duplicate_sets import find_duplicates, resampling_sets
from fernas.protocols.parts import NAMES, Parts, PartSplitter

if TYPE_CHECKING:
    import pandas as pd

Policy = Literal["report", "drop_train", "fail"]
Document = dict[str, Any]
PARTS = {"weights": 0.45, "selection": 0.35, "inner_validation": 0.2}


@dataclass(frozen=True)
class SplitSpec:
    """How the samples of a task are split.

    Attributes:
        kind: a plug-in of `fernas/protocols`.
        options: its options.
        fold_groups: G; the folds are shared out into G groups, evenly for each dataset.
        parts: shares of weights, selection and inner_validation.
        stratify: whether class counts of test subjects may steer how folds are gathered in fold groups.
        seed: base of all random choices.
        policy: near-duplicates across splits of datasets without subjects: `report`, `drop_train`, or `fail` (then
            exact copies fail too). Unless `fail`, exact copies of test samples always leave the train split there.
        name: the protocol's name in the study; `kind` by default.
        classes: the classes of the task in their order; by default those of the table, sorted.
        same_people: dataset -> datasets with the same subjects; needed by protocols that split by dataset.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fold_groups: int = 2
    parts: Mapping[str, float] = field(default_factory=lambda: dict(PARTS))
    stratify: bool = True
    seed: int = 0
    policy: Policy = "report"
    name: str = ""
    classes: Sequence[str] | None = None
    same_people: Mapping[str, Sequence[str]] | None = None

    @property
    def title(self) -> str:
        """The name that messages and documents use."""
        return self.name or self.kind


@dataclass(frozen=True)
class _FoldGroup:
    """A fold group: its search pool, its entry and those of its folds in the training document, and notes."""

    pool: list[str]
    entry: Document
    folds: list[Document]
    notes: list[str]


def make_folds(
    table: "pd.DataFrame", spec: SplitSpec, duplicates: Mapping[str, Any] | None = None
) -> tuple[Document, Document]:
    """Split the samples of a task; what the two documents hold is said at the top of this module.

    Args:
        table: one row per sample: sample_id, dataset, subject, group, label; also split, source_id, sha256 if known.
        spec: how they are split.
        duplicates: the findings of the dataset's audit, see `_duplicate_sets.find_duplicates`.

    Returns:
        The training document and the test document.

    Raises:
        DataError: the samples cannot be split so; the text says what is missing.
        ConfigError: unknown protocol, wrong options.
    """
    if spec.same_people is not None:
        table = table.copy()
        table.attrs["same_people_as"] = {dataset: list(others) for dataset, others in spec.same_people.items()}
    protocol: Protocol = plugins.load("protocols", spec.kind)
    options = protocol.options(spec.options)
    where = f"protocol {spec.title}"
    rows = checked(table, where)
    folds = protocol.split(rows, options, derive_seed(spec.seed, "split"))
    notes = [] if protocol.replica else _check_every_class_is_learnt(folds, rows, where)
    if spec.fold_groups > len(folds):
        raise DataError(
            f"{where}: got {len(folds)} folds, fewer folds than groups ({spec.fold_groups}); set groups to {len(folds)}"
        )
    # Before the pools are made: what leaves the train split of a fold must leave its search pool too.
    folds, dropped = _drop_copies(folds, rows, protocol, duplicates, spec.policy)
    if dropped:
        notes.append(f"{len({d['sample_id'] for d in dropped})} training samples dropped as copies of test samples")
    parts = PartSplitter(rows, spec.parts, spec.seed)
    groups = _split_fold_groups(folds, parts, spec, protocol.replica, where)
    train: Document = {
        "protocol": spec.title,
        "kind": spec.kind,
        "replica": protocol.replica,
        "tests_once": protocol.tests_once,
        "title": protocol.title,
        "note": protocol.note(rows, options),
        "notes": notes + [note for group in groups for note in group.notes],
        "classes": list(spec.classes) if spec.classes is not None else sorted(set(rows["label"])),
        "seed": spec.seed,
        "folds": sorted((fold for group in groups for fold in group.folds), key=lambda fold: fold["fold"]),
        "groups": [group.entry for group in groups],
        "whole": parts.split(ids(rows), "whole").document(),
        "whole_matched": _whole_matched([group.pool for group in groups], parts),
        "dropped": dropped,
        "table": dict(zip(rows["sample_id"], rows["subject"], strict=True)),
        "unit_groups": resampling_sets(rows, find_duplicates(rows, duplicates)),  # intervals are over all rows
    }
    if spec.kind == "official":
        train["published"] = _published_pools(folds[0], rows)
    return train, {
        "protocol": spec.title,
        "folds": [{"fold": k, "test": list(fold.test)} for k, fold in enumerate(folds)],
    }


def _check_every_class_is_learnt(folds: Sequence[Fold], rows: "pd.DataFrame", where: str) -> list[str]:
    """Notes about classes that a fold tests and cannot learn; a class of one unit is an error."""
    label_of = dict(zip(rows["sample_id"], rows["label"], strict=True))
    notes = []
    for fold in folds:
        for label in sorted({label_of[i] for i in fold.test} - {label_of[i] for i in fold.train}):
            units = sorted(set(rows.loc[rows["label"] == label, "unit"]))
            if len(units) == 1:
                raise DataError(
                    f"{where}: only one subject or sequence ({units[0]!r}) has the class {label!r}, so fold "
                    f"{fold.name} would test it without training on it; expected at least two, or the class left out "
                    f"(rare: drop)"
                )
            notes.append(f"fold {fold.name}: tests the class {label!r} without training on it")
    return notes


def _drop_copies(
    folds: Sequence[Fold],
    rows: "pd.DataFrame",
    protocol: Protocol,
    duplicates: Mapping[str, Any] | None,
    policy: Policy,
) -> tuple[list[Fold], list[Document]]:
    """Folds without training samples that copy a test sample, in datasets without subjects, and what was dropped.

    Where subjects are known, a copy across splits is an error of the dataset that the audit must report.
    """
    if protocol.replica or policy == "fail" or rows["subject"].notna().all():
        return list(folds), []
    known = find_duplicates(rows, duplicates)
    anonymous = set(rows.loc[rows["subject"].isna(), "sample_id"])
    remaining, dropped = [], []
    for k, fold in enumerate(folds):
        reasons = {s: "exact" for s, _ in known.exact_pairs(fold.train, fold.test)}
        if policy == "drop_train":
            # exact copies overwrite near ones, so that the stronger reason is stated
            reasons = {s: "near" for s, _ in known.near_pairs(fold.train, fold.test)} | reasons
        reasons = {s: reason for s, reason in reasons.items() if s in anonymous}  # composites may hold both kinds
        dropped += [{"fold": k, "sample_id": s, "reason": reasons[s]} for s in sorted(reasons)]
        train = tuple(s for s in fold.train if s not in reasons)
        inner = fold.inner_validation
        inner = None if inner is None else tuple(s for s in inner if s not in reasons)
        remaining.append(Fold(fold.name, train, fold.test, inner))
    return remaining, dropped


def _split_fold_groups(
    folds: Sequence[Fold], parts: PartSplitter, spec: SplitSpec, is_replica: bool, where: str
) -> list[_FoldGroup]:
    """The fold groups with the parts of their pools and of their folds."""
    # one label for all: then the class counts of test subjects cannot steer which folds share a search
    rows = parts.rows if spec.stratify else parts.rows.assign(label="any")
    group_of = _assign_fold_groups(folds, rows, spec.fold_groups, parts.seed)
    groups = []
    for group in range(spec.fold_groups):
        members = {k: fold for k, fold in enumerate(folds) if group_of[k] == group}
        pool, inner = _pool(list(members.values()), parts.rows, is_replica)
        if not pool:
            raise DataError(
                f"{where}: the {len(members)} folds of group {group} leave no sample to search on; "
                f"expected more groups (at least 2 where every subject is tested)"
            )
        groups.append(_split_fold_group(group, members, pool, inner, parts))
    return groups


def _split_fold_group(
    group: int, members: Mapping[int, Fold], pool: list[str], inner: list[str] | None, parts: PartSplitter
) -> _FoldGroup:
    """The parts of a group's pool, then those of its folds, whose inner validation the search has not learnt from."""
    # the pool first: the inner validation of the folds must avoid what the search learns from
    search = parts.split(pool, f"group {group}", inner)
    learnt = search.weights + search.selection
    folds = []
    for k, fold in members.items():
        fold_parts = parts.split(fold.train, f"fold {fold.name}", fold.inner_validation, learnt)
        folds.append({"fold": k, "name": fold.name, "group": group, **fold_parts.document()})
    entry = {"group": group, "folds": list(members), **search.document()}
    return _FoldGroup(pool, entry, folds, _missing_classes(search, parts.rows, group))


def _assign_fold_groups(folds: Sequence[Fold], rows: "pd.DataFrame", groups: int, seed: int) -> list[int]:
    """The group of each fold: for each dataset as many in each group as possible, classes shared out evenly."""
    import numpy as np

    from fernas.protocols._stratify import assign_units, class_counts

    if groups == 1:
        return [0] * len(folds)
    label_of = dict(zip(rows["sample_id"], rows["label"], strict=True))
    dataset_of = dict(zip(rows["sample_id"], rows["dataset"], strict=True))
    tested_datasets = [tuple(sorted({dataset_of[i] for i in fold.test})) for fold in folds]
    fold_of = np.concatenate([np.full(len(fold.test), k) for k, fold in enumerate(folds)])
    _, counts = class_counts(fold_of, np.array([label_of[i] for fold in folds for i in fold.test], dtype=str))
    generator = rng(seed, "groups")
    group_of = np.zeros(len(folds), int)
    filled = np.zeros(groups, int)
    # one dataset after the other, so that each group tests subjects of each dataset
    for datasets in sorted(set(tested_datasets)):
        members = np.array([k for k, tested in enumerate(tested_datasets) if tested == datasets])
        # The remainder goes to the groups with the fewest folds so far, so that the groups end up equally large.
        quota = np.full(groups, len(members) // groups)
        quota[np.argsort(filled, kind="stable")[: len(members) % groups]] += 1
        group_of[members] = assign_units(counts[members], (quota > 0) / (quota > 0).sum(), generator, quota=quota)
        filled += quota
    return group_of.tolist()


def _pool(folds: Sequence[Fold], rows: "pd.DataFrame", is_replica: bool) -> tuple[list[str], list[str] | None]:
    """The search pool of a group, and the part of it that its dataset sets aside for validation (or None).

    The pool is what every fold of the group trains on. No unit of it is tested by one of them; a replica's folds may
    split units, there no sample of it is tested.
    """
    shared = set(folds[0].train).intersection(*(fold.train for fold in folds[1:]))
    if not is_replica:
        # A published split may divide a sequence: what it leaves in training must not enter the pool.
        tested = {i for fold in folds for i in fold.test}
        units = set(rows.loc[rows["sample_id"].isin(tested), "unit"])
        shared -= set(rows.loc[rows["unit"].isin(units), "sample_id"])
    pool = [i for i in rows["sample_id"] if i in shared]
    given = [fold.inner_validation for fold in folds if fold.inner_validation is not None]
    if len(given) < len(folds):  # one fold without a stated inner validation: the pool is split by subject as usual
        return pool, None
    inner = set(given[0]).intersection(*given[1:])
    return pool, [i for i in pool if i in inner]


def _missing_classes(search: Parts, rows: "pd.DataFrame", group: int) -> list[str]:
    """Notes about classes of the task that the search of a group never sees."""
    pool = {i for part in NAMES for i in getattr(search, part)}
    missing = set(rows["label"]) - set(rows.loc[rows["sample_id"].isin(pool), "label"])
    return [f"group {group}: the search pool has no sample of {label!r}" for label in sorted(missing)]


def _whole_matched(pools: Sequence[Sequence[str]], parts: PartSplitter) -> Document:
    """The parts of a subsample of all units, as many as the pools of the groups have on average."""
    import numpy as np

    from fernas.protocols._stratify import assign_units, class_counts

    rows = parts.rows
    unit_of = dict(zip(rows["sample_id"], rows["unit"], strict=True))
    # equal numbers of subjects, so that the gap to per_group is not one of sample size
    wanted = round(float(np.mean([len({unit_of[i] for i in pool}) for pool in pools])))
    # Stratified by dataset and class: the pools of a composite are balanced by both.
    strata = rows["dataset"].astype(str) + "\t" + rows["label"].astype(str)
    units, counts = class_counts(rows["unit"].to_numpy(str), strata.to_numpy(str))
    sampled = set(units.tolist())
    if wanted < len(units):
        quota = np.array([wanted, len(units) - wanted])
        half = assign_units(counts, quota / quota.sum(), rng(parts.seed, "whole_matched"), quota=quota)
        sampled = set(units[half == 0].tolist())
    chosen = rows.loc[rows["unit"].isin(sampled), "sample_id"].tolist()
    return parts.split(chosen, "whole_matched").document()


def _published_pools(fold: Fold, rows: "pd.DataFrame") -> Document:
    """Auto-FERNet's search pools: all samples in the order train, validation, test; the first half gives weights.

    The published code halves by position and has no inner validation. It leaks: the pools hold the test split.
    """
    inner, test = set(fold.inner_validation or ()), set(fold.test)
    first = [i for i in fold.train if i not in inner]
    ordered = [*first, *(fold.inner_validation or ()), *(i for i in rows["sample_id"] if i in test)]
    half = len(ordered) // 2
    return {"weights": ordered[:half], "selection": ordered[half:], "inner_validation": []}
