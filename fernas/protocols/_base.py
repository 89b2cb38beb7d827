"""What a protocol is, and what all of them need: the checked table of samples and the unit that is never split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fernas.core.config import Strict, validate_section
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.images import natural_key
from fernas.protocols.counts import Counts

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("sample_id", "dataset", "subject", "group", "label")


@dataclass(frozen=True)
class Fold:
    """One train / test split.

    Attributes:
        name: what is tested (a subject, a dataset, a number).
        train: sample ids of the train split; holds `inner_validation` where that is given.
        test: sample ids of the test split.
        inner_validation: the part of the train split that the dataset itself sets aside for validation, or None.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    inner_validation: tuple[str, ...] | None = None


class Protocol:
    """Base of the plug-ins of `fernas/protocols`.

    Attributes:
        name: the file's name.
        title: what tables print.
        replica: a published split that is known to leak: never fails its audit, its leaks become a column.
        tests_once: each sample is tested in at most one fold.
        needs_subjects: every sample must have a subject.
        fold_per_subject: each fold tests one subject.
        published: what tables say about a replica, one sentence; empty for the others.
        Config: the options.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    replica: ClassVar[bool] = False
    tests_once: ClassVar[bool] = True
    needs_subjects: ClassVar[bool] = False
    fold_per_subject: ClassVar[bool] = False
    published: ClassVar[str] = ""
    Config: ClassVar[type[Strict]] = Strict

    def options(self, options: Any) -> Any:
        """The checked options; a ConfigError names what is wrong."""
        if isinstance(options, self.Config):
            return options
        return validate_section(self.Config, dict(options or {}), f"protocol {self.name}: options")

    def check_datasets(
        self, datasets: Sequence[str], same_people: Mapping[str, Sequence[str]], options: Any, where: str
    ) -> None:
        """Refuse a task before anything runs, from its datasets and from which of them share subjects.

        Args:
            datasets: the datasets of the task.
            same_people: dataset -> others of them with the same subjects.
            options: the protocol's options.
            where: beginning of the message.

        Raises:
            ConfigError: two datasets of one table share subjects, which no split by subject would see.
        """
        for dataset in datasets:
            for other in same_people.get(dataset, ()):
                raise ConfigError(
                    f"{where}: {dataset} and {other} have the same subjects under other names, which {self.name} would "
                    f"take for different ones; expected datasets of different subjects"
                )

    def split(self, table: "pd.DataFrame", options: Any, seed: int) -> list[Fold]:
        """The folds of a table of samples (columns sample_id, dataset, subject, group, label, some also split).

        The order of the table's rows does not matter.

        Raises:
            DataError: the samples cannot be split in this way.
            ConfigError: the options are wrong.
        """
        raise NotImplementedError

    def is_stratified(self, options: Any) -> bool:
        """Whether labels, those of test samples among them, decide how samples are divided into folds."""
        return False

    def count_folds(self, options: Any, counts: Counts) -> int:
        """The number of folds that `split` will make of so many samples; what a plan counts with."""
        raise NotImplementedError

    def train_share(self, options: Any, counts: Counts) -> float:
        """The share of the samples that the train split of a fold holds, on average over the folds.

        By default each sample is tested once.
        """
        return 1 - 1 / max(2, self.count_folds(options, counts))

    def note(self, table: "pd.DataFrame", options: Any) -> str:
        """One sentence for the tables: what was split, and what makes the numbers not comparable."""
        return self.published or f"{self.title}, {count_units(table)}"


def checked(table: "pd.DataFrame", where: str) -> "pd.DataFrame":
    """The samples in the natural order of their ids, with a column `unit`: what no split may cut.

    The unit is the subject; in a dataset without subjects the sequence (column `group`); without both the sample.

    Raises:
        ContractError: a column is missing or an id is listed twice.
        DataError: no samples, a sample without a label, or a dataset in which only some samples have a subject.
    """
    missing = [column for column in NEEDED if column not in table.columns]
    if missing:
        raise ContractError(
            f"{where}: the table of samples has no column {', '.join(missing)}; expected {', '.join(NEEDED)}"
        )
    if not len(table):
        raise DataError(f"{where}: got no samples, expected some")
    # Everything after this line may rely on the order, so no result depends on the order of the caller's table.
    rows = table.sort_values("sample_id", key=lambda ids: ids.map(natural_key)).reset_index(drop=True)
    rows.attrs = dict(table.attrs)
    twice = rows.loc[rows["sample_id"].duplicated(), "sample_id"]
    if len(twice):
        raise ContractError(f"{where}: sample {twice.iloc[0]!r} is in the table twice, expected unique ids")
    unlabelled = rows.loc[rows["label"].isna(), "sample_id"]
    if len(unlabelled):
        raise DataError(f"{where}: {len(unlabelled)} samples have no label, first {unlabelled.iloc[0]!r}")
    rows["subject"] = _text_or_none(rows["subject"])
    rows["group"] = _text_or_none(rows["group"])
    for dataset, part in rows.groupby("dataset", sort=True):
        without = part.loc[part["subject"].isna(), "sample_id"]
        # a sample without a subject could be of one that is in the other split
        if 0 < len(without) < len(part):
            raise DataError(
                f"{where}: {dataset}: {len(without)} of {len(part)} samples have no subject, first "
                f"{without.iloc[0]!r}; expected a subject for all of them, or for none"
            )
    # subject ids begin with the dataset's name, so units of a composite cannot collide
    rows["unit"] = rows["subject"].fillna(rows["group"]).fillna(rows["sample_id"])
    return rows


def _text_or_none(column: "pd.Series") -> "pd.Series":
    text = column.astype("object").where(column.notna(), None)
    return text.map(lambda value: None if value is None or str(value) == "" else str(value)).astype("object")


def need_subjects(table: "pd.DataFrame", where: str) -> None:
    """Refuse a table in which a dataset has no subjects."""
    without = table.loc[table["subject"].isna(), "dataset"]
    if len(without):
        raise DataError(
            f"{where}: {without.iloc[0]} has no subjects, expected one for every sample; "
            f"use its official split, or subject_kfold, which then keeps sequences together"
        )


def unit_word(table: "pd.DataFrame") -> str:
    """What the units of this table are called: subjects; in a dataset without subjects sequences, or samples."""
    if table["subject"].notna().any():
        return "subjects"
    return "samples of unnamed subjects" if table["group"].fillna(table["sample_id"]).is_unique else "sequences"


def count_units(table: "pd.DataFrame") -> str:
    """For example `24 subjects`."""
    units = table["subject"].fillna(table["group"]).fillna(table["sample_id"])
    return f"{units.nunique()} {unit_word(table)}"


def naturally(values: Iterable[str]) -> list[str]:
    """Distinct texts in natural order."""
    return sorted(set(values), key=natural_key)


def ids(rows: "pd.DataFrame") -> tuple[str, ...]:
    """The sample ids of some rows."""
    return tuple(rows["sample_id"])


def folds_by_unit(table: "pd.DataFrame", fold_of: Mapping[str, int], names: Sequence[str]) -> list[Fold]:
    """Folds that test the units of each number 0 .. n-1 in turn and train on all others."""
    number = table["unit"].map(fold_of)
    return [Fold(name, ids(table[number != k]), ids(table[number == k])) for k, name in enumerate(names)]


def same_people(table: "pd.DataFrame", where: str) -> dict[str, set[str]]:
    """Dataset -> datasets with the same subjects, from `table.attrs["same_people_as"]`, made symmetric.

    Raises:
        ContractError: the caller does not state which datasets share subjects.
    """
    # no default: an empty relation would pass for "nobody in common"
    stated = table.attrs.get("same_people_as")
    if stated is None:
        raise ContractError(
            f"{where}: table.attrs['same_people_as'] is missing, expected dataset -> datasets with the same subjects "
            f"(make_folds takes it as SplitSpec.same_people)"
        )
    relations: dict[str, set[str]] = {}
    for dataset, others in stated.items():
        for other in others:
            relations.setdefault(dataset, set()).add(other)
            relations.setdefault(other, set()).add(dataset)
    return relations


def refuse_same_people(table: "pd.DataFrame", train: Iterable[str], test: Iterable[str], where: str) -> None:
    """Refuse datasets of the train split that share subjects with datasets of the test split."""
    relations = same_people(table, where)
    for tested in naturally(test):
        for trained in naturally(train):
            if trained in relations.get(tested, set()):
                raise DataError(shared_subjects(where, trained, tested))


def shared_subjects(where: str, trained: str, tested: str) -> str:
    """The message about a dataset to train on and one to test on that have the same subjects."""
    return (
        f"{where}: {trained} and {tested} have the same subjects, so one cannot be in the train split and the other in "
        f"the test split; expected datasets of different subjects"
    )


def common_classes(train: "pd.DataFrame", test: "pd.DataFrame", where: str) -> set[str]:
    """The classes that both splits have; fewer than two are a DataError."""
    shared = set(train["label"]) & set(test["label"])
    if len(shared) < 2:
        raise DataError(
            f"{where}: the splits have {len(shared)} classes in common, expected at least two; train split: "
            f"{', '.join(sorted(set(train['label'])))}; test split: {', '.join(sorted(set(test['label'])))}"
        )
    return shared
