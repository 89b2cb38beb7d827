"""The audit of the folds, before anything is trained: no subject, no sequence, no copy of an image in both splits."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fernas.core.errors import ContractError
from fernas.protocols._base import checked
from fernas.protocols._duplicate_sets import Duplicates, find_duplicates
from fernas.protocols.folds import Document, Policy
from fernas.protocols.parts import NAMES

if TYPE_CHECKING:
    import pandas as pd

LISTED = 20
NEAR = "test samples with a near-duplicate in training"


def audit_folds(
    table: "pd.DataFrame",
    train: Document,
    test: Document,
    duplicates: Mapping[str, Any] | None = None,
    policy: Policy = "report",
) -> dict[str, Any]:
    """Check the documents of `make_folds` against the samples.

    Looked for are overlaps of ids, subjects, sequences and exact copies: between the train and the test split of a
    fold, between the search pool of a fold group and the tests of its folds, and between the parts of one train split.
    Near-duplicates across splits are listed and counted among the leaks. With the policy `fail` they are errors; with
    `drop_train` none may be left in a dataset without subjects.

    Returns:
        `ok`; `problems` (texts); `leaks` (text -> number of test samples, summed over folds; near-duplicates, and the
        overlaps of a replica); `near` (the first pairs across splits: fold, training sample, test sample) and
        `near_count`; `dropped` (training samples taken out as copies); `folds`, `samples`, `tested`.

    Raises:
        ContractError: an overlap, named by subject, sequence or sample; or documents that do not fit the samples. A
            replica never fails for an overlap between training and test: its leaks are counted.
    """
    rows = checked(table, "audit of the folds")
    samples = _SampleIndex(rows, find_duplicates(rows, duplicates))
    tests = _tests_of_folds(train, test)
    is_replica = bool(train["replica"])
    problems: list[str] = list(train.get("notes", ()))
    leaks: dict[str, int] = {}
    near: list[tuple[int, str, str]] = []
    for entry in train["folds"]:
        where, tested = f"fold {entry['name']}", tests[entry["fold"]]
        trained = samples.of_parts(entry, where)
        for kind, (text, count) in _overlaps(samples, trained, tested, where, is_replica).items():
            leaks[kind] = leaks.get(kind, 0) + count
            problems.append(text)
        near += [(entry["fold"], a, b) for a, b in samples.duplicates.near_pairs(trained, tested)]
        if alike := samples.duplicates.near_pairs(tested, trained):
            leaks[NEAR] = leaks.get(NEAR, 0) + len(alike)
    problems += _audit_pools(samples, train, tests)
    # pooled scores count every sample once
    if train["tests_once"]:
        _check_tested_once(tests)
    if not is_replica:
        _check_near(near, samples, policy)
    if near:
        problems.append(
            f"{len(near)} near-duplicates across splits, first {near[0][1]!r} (training) and {near[0][2]!r} (test)"
        )
    return {
        "ok": True, "problems": problems, "leaks": leaks, "near": [list(pair) for pair in near[:LISTED]],
        "near_count": len(near), "dropped": train["dropped"], "folds": len(tests), "samples": len(rows),
        "tested": len({sample for ids in tests.values() for sample in ids}),
    }  # fmt: skip


def _tests_of_folds(train: Document, test: Document) -> dict[int, list[str]]:
    """Fold -> its test samples; a ContractError where the two documents have other folds."""
    tests = {entry["fold"]: list(entry["test"]) for entry in test["folds"]}
    if sorted(tests) != [entry["fold"] for entry in train["folds"]]:
        raise ContractError(
            f"audit of the folds: the training document has the folds {[f['fold'] for f in train['folds']]}, "
            f"the test document {sorted(tests)}"
        )
    return tests


def _audit_pools(samples: "_SampleIndex", train: Document, tests: Mapping[int, list[str]]) -> list[str]:
    """The overlaps of search pools with what the folds of their group test, which only a replica may have."""
    problems = []
    for entry in train["groups"]:
        where = f"search pool of group {entry['group']}"
        # a pool serves all folds of its group, so it must be clear of every sample that one of them tests
        tested = list(dict.fromkeys(sample for fold in entry["folds"] for sample in tests[fold]))
        overlaps = _overlaps(samples, samples.of_parts(entry, where), tested, where, bool(train["replica"]))
        problems += [text for text, _ in overlaps.values()]
    return problems


def _overlaps(
    samples: "_SampleIndex", trained: list[str], tested: list[str], where: str, is_replica: bool
) -> dict[str, tuple[str, int]]:
    """The overlaps of two splits; a ContractError with the worst one unless the protocol is a replica."""
    overlaps = samples.overlaps(trained, tested, where)
    if overlaps and not is_replica:
        raise ContractError(next(iter(overlaps.values()))[0])
    return overlaps


class _SampleIndex:
    """Subject, sequence and duplicates of each sample."""

    def __init__(self, rows: "pd.DataFrame", duplicates: Duplicates) -> None:
        """Index the samples by id."""
        self.duplicates = duplicates
        self.unit = dict(zip(rows["sample_id"], rows["unit"], strict=True))
        self.anonymous = set(rows.loc[rows["subject"].isna(), "sample_id"])
        self.columns = {
            "subject": dict(zip(rows["sample_id"], rows["subject"], strict=True)),
            "group": dict(zip(rows["sample_id"], rows["group"], strict=True)),
        }

    def check_known(self, ids: Iterable[str], where: str) -> list[str]:
        """The ids; a ContractError for one that the table does not have or that is listed twice."""
        listed = list(ids)
        earlier: set[str] = set()
        for sample in listed:
            if sample not in self.unit:
                raise ContractError(f"{where}: sample {sample!r} is not in the table of samples")
            if sample in earlier:
                raise ContractError(f"{where}: sample {sample!r} is listed twice")
            earlier.add(sample)
        return listed

    def of_parts(self, entry: Mapping[str, Any], where: str) -> list[str]:
        """All samples of the three parts; a ContractError where two parts share a sample or a unit."""
        ids = self.check_known((sample for part in NAMES for sample in entry[part]), where)
        part_of: dict[str, str] = {}
        for part in NAMES:
            for unit in {self.unit[sample] for sample in entry[part]}:
                if part_of.setdefault(unit, part) != part:
                    raise ContractError(f"{where}: {unit!r} is in {part_of[unit]} and in {part}; expected one part")
        return ids

    def overlaps(self, trained: list[str], tested: list[str], where: str) -> dict[str, tuple[str, int]]:
        """Kind of overlap -> (text that names the first, number of test samples concerned), worst kind first."""
        self.check_known(tested, f"{where}, test split")
        overlaps: dict[str, tuple[str, int]] = {}  # the order of insertion is the order of severity
        train_ids = set(trained)
        both = [sample for sample in tested if sample in train_ids]
        if both:
            text = f"{where}: sample {both[0]!r} is in the train split and in the test split"
            overlaps["test samples that are trained on"] = (text, len(both))
        for column, value_of in self.columns.items():
            values = {value_of[sample] for sample in trained} - {None}  # samples without a subject share none
            shared = [sample for sample in tested if value_of[sample] in values]
            if shared:
                text = (
                    f"{where}: {column} {value_of[shared[0]]!r} is in the train split and in the test split "
                    f"({len(shared)} test samples)"
                )
                overlaps[f"test samples of a {column} in training"] = (text, len(shared))
        copies = self.duplicates.exact_pairs(tested, trained)
        if copies:
            text = f"{where}: test sample {copies[0][0]!r} is an exact copy of the training sample {copies[0][1]!r}"
            overlaps["test samples with an exact copy in training"] = (text, len(copies))
        return overlaps


def _check_tested_once(tests: Mapping[int, list[str]]) -> None:
    fold_of: dict[str, int] = {}
    for fold, ids in tests.items():
        for sample in ids:
            if sample in fold_of:
                raise ContractError(
                    f"sample {sample!r} is tested in fold {fold_of[sample]} and in fold {fold}; expected one"
                )
            fold_of[sample] = fold


def _check_near(near: list[tuple[int, str, str]], samples: _SampleIndex, policy: Policy) -> None:
    """Refuse near-duplicates across splits where the policy says so."""
    for fold, trained, tested in near:
        if policy == "fail" or (policy == "drop_train" and trained in samples.anonymous):
            raise ContractError(
                f"fold {fold}: training sample {trained!r} is a near-duplicate of the test sample {tested!r} "
                f"(duplicates: {policy})"
            )
