"""The audit of the folds: no subject, no group and no copy of an image on both sides, before anything is trained."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fernas.core.errors import ContractError
from fernas.protocols._base import checked
from fernas.protocols._duplicates import Duplicates, find_duplicates
from fernas.protocols.folds import Document, Policy
from fernas.protocols.parts import NAMES

if TYPE_CHECKING:
    import pandas as pd

LISTED = 20


def audit_folds(
    table: "pd.DataFrame",
    train: Document,
    test: Document,
    duplicates: Mapping[str, Any] | None = None,
    policy: Policy = "report",
) -> dict[str, Any]:
    """Check the documents of `make_folds` against the samples.

    Overlaps of ids, subjects, groups and exact copies between a training side and its test side, between the search
    pool of a group and the tests of its folds, and between the parts of one training side. Near-duplicates across
    sides are listed; with the policy `fail` they are errors, with `drop_train` none may be left in a dataset without
    subjects.

    Returns:
        `ok`; `problems` (texts); `leaks` (text -> number of test samples; empty unless the protocol is a replica);
        `near` (the first pairs across sides: fold, training sample, test sample) and `near_count`; `dropped` (training
        samples taken out as copies); `folds`, `samples`, `tested`.

    Raises:
        ContractError: an overlap, named by subject, group or sample; or documents that don't fit the samples. A replica
            never fails for an overlap between training and test: its leaks are counted.
    """
    rows = checked(table, "audit of the folds")
    sides = _Sides(rows, find_duplicates(rows, duplicates))
    tests = {entry["fold"]: list(entry["test"]) for entry in test["folds"]}
    if sorted(tests) != [entry["fold"] for entry in train["folds"]]:
        raise ContractError(
            f"audit of the folds: the training document has the folds {[f['fold'] for f in train['folds']]}, "
            f"the test document {sorted(tests)}"
        )
    replica = bool(train["replica"])
    problems: list[str] = list(train.get("notes", ()))
    leaks: dict[str, int] = {}
    near: list[tuple[int, str, str]] = []
    for entry in train["folds"]:
        where = f"fold {entry['name']}"
        learnt = sides.parts(entry, where)
        found = sides.overlaps(learnt, tests[entry["fold"]], where)
        if found and not replica:
            raise ContractError(next(iter(found.values()))[0])
        for kind, (text, count) in found.items():
            leaks[kind] = leaks.get(kind, 0) + count
            problems.append(text)
        near += [(entry["fold"], a, b) for a, b in sides.duplicates.near_across(learnt, tests[entry["fold"]])]
    for entry in train["groups"]:
        where = f"search pool of group {entry['group']}"
        pool = sides.parts(entry, where)
        tested = list(dict.fromkeys(sample for fold in entry["folds"] for sample in tests[fold]))
        found = sides.overlaps(pool, tested, where)
        if found and not replica:
            raise ContractError(next(iter(found.values()))[0])
        problems += [text for text, _ in found.values()]
    if train["tests_once"]:
        _tested_once(tests)
    _judge_near(near, sides, policy, replica)
    if near:
        problems.append(
            f"{len(near)} near-duplicates across sides, first {near[0][1]!r} (training) and {near[0][2]!r} (test)"
        )
    return {
        "ok": True,
        "problems": problems,
        "leaks": leaks,
        "near": [list(pair) for pair in near[:LISTED]],
        "near_count": len(near),
        "dropped": train["dropped"],
        "folds": len(tests),
        "samples": len(rows),
        "tested": len({sample for ids in tests.values() for sample in ids}),
    }


class _Sides:
    """Looks up what a sample belongs to."""

    def __init__(self, rows: "pd.DataFrame", duplicates: Duplicates) -> None:
        """Index the samples by id."""
        self.duplicates = duplicates
        self.unit = dict(zip(rows["sample_id"], rows["unit"], strict=True))
        self.anonymous = set(rows.loc[rows["subject"].isna(), "sample_id"])
        self.columns = {
            "subject": dict(zip(rows["sample_id"], rows["subject"], strict=True)),
            "group": dict(zip(rows["sample_id"], rows["group"], strict=True)),
        }

    def known(self, ids: Iterable[str], where: str) -> list[str]:
        """The ids; a ContractError for one that the table does not have or that stands there twice."""
        found = list(ids)
        seen: set[str] = set()
        for sample in found:
            if sample not in self.unit:
                raise ContractError(f"{where}: sample {sample!r} is not in the table of samples")
            if sample in seen:
                raise ContractError(f"{where}: sample {sample!r} stands there twice")
            seen.add(sample)
        return found

    def parts(self, entry: Mapping[str, Any], where: str) -> list[str]:
        """All samples of the three parts; a ContractError where two parts share a sample or a unit."""
        ids = self.known((sample for part in NAMES for sample in entry[part]), where)
        owner: dict[str, str] = {}
        for part in NAMES:
            for unit in {self.unit[sample] for sample in entry[part]}:
                if owner.setdefault(unit, part) != part:
                    raise ContractError(f"{where}: {unit!r} is in {owner[unit]} and in {part}; expected one part")
        return ids

    def overlaps(self, learnt: list[str], tested: list[str], where: str) -> dict[str, tuple[str, int]]:
        """Kind of overlap -> (text that names the first, number of test samples concerned), worst kind first."""
        self.known(tested, f"{where}, test side")
        found: dict[str, tuple[str, int]] = {}
        train_ids = set(learnt)
        both = [sample for sample in tested if sample in train_ids]
        if both:
            text = f"{where}: sample {both[0]!r} is on both sides, training and test"
            found["test samples that are trained on"] = (text, len(both))
        for column, of in self.columns.items():
            trained = {of[sample] for sample in learnt} - {None}
            shared = [sample for sample in tested if of[sample] in trained]
            if shared:
                text = f"{where}: {column} {of[shared[0]]!r} is on both sides, training and test"
                found[f"test samples of a {column} in training"] = (f"{text} ({len(shared)} test samples)", len(shared))
        copies = self.duplicates.copies_across(tested, learnt)
        if copies:
            text = f"{where}: test sample {copies[0][0]!r} is an exact copy of the training sample {copies[0][1]!r}"
            found["test samples with an exact copy in training"] = (text, len(copies))
        return found


def _tested_once(tests: Mapping[int, list[str]]) -> None:
    fold_of: dict[str, int] = {}
    for fold, ids in tests.items():
        for sample in ids:
            if sample in fold_of:
                raise ContractError(
                    f"sample {sample!r} is tested in fold {fold_of[sample]} and in fold {fold}; expected one"
                )
            fold_of[sample] = fold


def _judge_near(near: list[tuple[int, str, str]], sides: _Sides, policy: Policy, replica: bool) -> None:
    if replica or policy == "report":
        return
    for fold, trained, tested in near:
        if policy == "fail" or trained in sides.anonymous:
            raise ContractError(
                f"fold {fold}: training sample {trained!r} is a near-duplicate of the test sample {tested!r} "
                f"(duplicates: {policy})"
            )
